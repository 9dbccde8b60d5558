"""Mock clusters planted into any mirror: how complete and how pure a membership list is."""
