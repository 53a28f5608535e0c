"""What the chapters need and a user does not: experiments, claims, settings, figures."""
