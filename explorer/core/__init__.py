"""The method: masks, embeddings, distances, the map. Imports numpy and nothing heavier."""
