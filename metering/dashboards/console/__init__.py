"""The operator console's room for metering: the overview and every table from catalogue to invoices."""
