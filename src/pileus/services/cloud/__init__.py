"""What OpenStack has no word for: operations, events, checkpoints. Our own small API, under /pileus."""
