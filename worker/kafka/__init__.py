"""What is said to Kafka and its registry: clients' settings, transactions, topics read by hand."""
