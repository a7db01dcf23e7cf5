"""What a mail costs: counts, which are gated, and rates, which are reported with the machine they were seen on."""
