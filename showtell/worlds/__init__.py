"""Made worlds: scenes whose every fact is known, because this package drew them. See `scene`, `facts`, `language`, `cutouts`."""
