/*
description: >-
  How many orders of each month and shop were paid, shipped, delivered and cancelled, and how many hours that took
  from the moment they were placed. Deleted orders count, too. An order whose payment was never seen but that was
  shipped counts as paid, without a time.
tables: [orders_changes]
schedule: "17 * * * *"
columns:
  month: {description: First day of the month in which the orders were placed (UTC)., of: [orders_changes.placed_at]}
  source: {description: The shop., of: [orders_changes._source]}
  placed: {description: Orders placed., of: [orders_changes._key]}
  paid: {description: Those of them that were paid., of: [orders_changes.status]}
  shipped: {description: Those of them that were shipped., of: [orders_changes.status]}
  delivered: {description: Those of them that were delivered., of: [orders_changes.status]}
  cancelled: {description: Those of them that were cancelled., of: [orders_changes.status]}
  hours_to_paid: {description: Median of hours from placed to paid., of: [orders_changes.placed_at, orders_changes.updated_at]}
  hours_to_shipped: {description: Median of hours from placed to shipped., of: [orders_changes.placed_at, orders_changes.updated_at]}
  hours_to_delivered: {description: Median of hours from placed to delivered., of: [orders_changes.placed_at, orders_changes.updated_at]}
  hours_to_delivered_p90: {description: Nine of ten orders were delivered within so many hours., of: [orders_changes.placed_at, orders_changes.updated_at]}
plot: {kind: bar, x: source, y: [placed, paid, shipped, delivered]}
checks:
  - {name: one_row_per_month_and_source, unique: [month, source]}
  - {name: a_funnel_narrows, none: delivered > shipped or shipped > paid or paid > placed}
*/
with reached as (
    -- The shop's own time of a change where it keeps one, else when its database committed it.
    select
        _key,
        _source,
        arg_max(placed_at, _position) as placed_at,
        min(coalesce(updated_at, _committed_at)) filter (where status = 'paid') as paid_at,
        min(coalesce(updated_at, _committed_at)) filter (where status = 'shipped') as shipped_at,
        min(coalesce(updated_at, _committed_at)) filter (where status = 'delivered') as delivered_at,
        bool_or(status = 'cancelled') as was_cancelled
    from orders_changes
    where not _deleted
    group by _key, _source
)
select
    date_trunc('month', placed_at)::date as month,
    _source as source,
    count(*) as placed,
    count(coalesce(paid_at, shipped_at, delivered_at)) as paid,
    count(coalesce(shipped_at, delivered_at)) as shipped,
    count(delivered_at) as delivered,
    count(*) filter (where was_cancelled) as cancelled,
    median((epoch_us(paid_at) - epoch_us(placed_at)) / 3.6e9) as hours_to_paid,
    median((epoch_us(shipped_at) - epoch_us(placed_at)) / 3.6e9) as hours_to_shipped,
    median((epoch_us(delivered_at) - epoch_us(placed_at)) / 3.6e9) as hours_to_delivered,
    quantile_cont((epoch_us(delivered_at) - epoch_us(placed_at)) / 3.6e9, 0.9) as hours_to_delivered_p90
from reached
group by all
order by all
