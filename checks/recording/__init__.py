"""What each line of somebody's file makes: recorded, matched with the equations, and shown."""
