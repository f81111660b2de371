"""The mapping of a contract as ksqlDB statements, for the union on ksqlDB."""
