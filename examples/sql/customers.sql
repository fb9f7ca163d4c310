-- One row for each customer: what your warehouse knows of them. Whatever brings such rows will do: a table, a view, a model of dbt.
create table if not exists customers (
  customer_id text primary key,
  email text,
  city text,
  lifetime_value numeric(12, 2),
  high_spender boolean
);
insert into customers values
  ('sql-1', 'sql-1@shop.example', 'Lyon', 512.30, true),
  ('sql-2', 'sql-2@shop.example', 'Oslo', 12.00, false)
on conflict (customer_id) do update set lifetime_value = excluded.lifetime_value, high_spender = excluded.high_spender;
