/*
description: Orders, pieces and money per day, source and currency; cancelled orders are counted apart and bring no money.
tables: [orders]
partition: {column: placed_at, by: month}
schedule: "11 * * * *"
columns:
  month: {description: First day of the month of `day`., of: [orders.placed_at]}
  day: {description: Day on which the orders were placed (UTC)., of: [orders.placed_at]}
  source: {description: The shop., of: [orders._source]}
  currency: {description: ISO 4217 code of `amount`., of: [orders.currency]}
  orders: {description: "Orders placed, cancelled ones included.", of: [orders._key]}
  cancelled: {description: Those of them that are cancelled now., of: [orders.status]}
  items: {description: Pieces in orders that are not cancelled., of: [orders.item_count]}
  amount: {description: "Money of orders that are not cancelled, exact.", of: [orders.amount]}
plot: {kind: line, x: day, y: orders, by: source}
checks:
  - {name: one_row_per_day_source_and_currency, unique: [day, source, currency]}
  - {name: no_more_cancelled_than_placed, none: cancelled > orders}
*/
select
    date_trunc('month', placed_at)::date as month,
    placed_at::date as day,
    _source as source,
    currency,
    count(*) as orders,
    count(*) filter (where status = 'cancelled') as cancelled,
    coalesce(sum(item_count) filter (where status is distinct from 'cancelled'), 0)::bigint as items,
    coalesce(sum(amount) filter (where status is distinct from 'cancelled'), 0)::decimal(38, 2) as amount
from orders
group by all
order by all
