"""What a month was like: figures of incidents, pages, alerts and deploys from our own records, as a message, a chart and a CSV file."""
