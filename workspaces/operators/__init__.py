"""Keys of operators: what programs of those who run the product call `/api/v1/operator/` with."""
