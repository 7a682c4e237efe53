"""What a shadow run says otherwise than the live results."""
