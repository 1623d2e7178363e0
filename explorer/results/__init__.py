"""What goes out: folders, recipes, links, exports, figures, and what a browser is sent."""
