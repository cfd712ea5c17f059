"""Whether the cloud is as its rows say."""
