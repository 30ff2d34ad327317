"""What a run learns while it trains: who is asked, how often, and for what."""
