"""Every method on every picture of a data set, judged by every metric: the tables of the DIX paper, made anew."""
