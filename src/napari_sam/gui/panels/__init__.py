"""Parts of the Segment widget, one file each. A panel emits requests; it knows neither viewer nor session."""
