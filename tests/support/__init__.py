"""What the tests stand on: a PostgreSQL of their own, a browser, a cast of people, system parts."""
