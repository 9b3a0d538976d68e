"""Datasets: frozen selections, divided into splits."""
