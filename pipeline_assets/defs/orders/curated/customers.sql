/*
description: Every customer of each shop and currency with first and last order, how many orders, and their value.
tables: [orders]
schedule: "13 * * * *"
columns:
  source: {description: The shop that knows the customer., of: [orders._source]}
  customer_id: {description: "The customer, as the shop knows them: tells of a person.", of: [orders.customer_id]}
  currency: {description: ISO 4217 code of `amount`., of: [orders.currency]}
  first_order_at: {description: When the first order was placed., of: [orders.placed_at]}
  last_order_at: {description: When the last order was placed., of: [orders.placed_at]}
  orders: {description: "Orders placed, cancelled ones included.", of: [orders._key]}
  cancelled: {description: Those of them that are cancelled now., of: [orders.status]}
  amount: {description: "Money of orders that are not cancelled, exact.", of: [orders.amount]}
  largest: {description: The largest order that is not cancelled., of: [orders.amount]}
plot: {kind: bar, x: orders, by: source}
checks:
  - {name: one_row_per_customer_and_currency, unique: [source, customer_id, currency]}
  - {name: first_order_is_not_after_the_last, none: first_order_at > last_order_at}
*/
select
    _source as source,
    customer_id,
    currency,
    min(placed_at) as first_order_at,
    max(placed_at) as last_order_at,
    count(*) as orders,
    count(*) filter (where status = 'cancelled') as cancelled,
    coalesce(sum(amount) filter (where status is distinct from 'cancelled'), 0)::decimal(38, 2) as amount,
    max(amount) filter (where status is distinct from 'cancelled') as largest
from orders
where customer_id is not null
group by all
