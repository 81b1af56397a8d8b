"""Optimal assignment, so that no dependency is needed for a matrix of twenty rows."""

from __future__ import annotations

import numpy as np


def assign_rows(gain: np.ndarray) -> np.ndarray:
    """(P, G) float, P >= G -> (G,) int: a row of its own for every column, such that the sum of gains is largest.

    The Hungarian method by shortest augmenting paths (Kuhn 1955; Edmonds and Karp 1972): columns enter one by one, each
    along the path of least reduced cost to a free row; prices keep the reduced costs from falling below zero.
    Raises `ValueError` when there are fewer rows than columns.
    """
    rows, columns = gain.shape
    if rows < columns:
        raise ValueError(f"gain: came {gain.shape}, wanted at least as many rows as columns")
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of, column_of = np.full(columns, -1), np.full(rows, -1)
    for entering in range(columns):
        distance, reached_from = np.full(rows, np.inf), np.full(rows, -1)
        settled = np.zeros(rows, bool)
        column, row, length = entering, -1, 0.0
        while column >= 0:
            cost = length - gain[:, column] - column_price[column] - row_price
            shorter = ~settled & (cost < distance)
            distance[shorter], reached_from[shorter] = cost[shorter], column
            row = int(np.argmin(np.where(settled, np.inf, distance)))
            length, column = float(distance[row]), int(column_of[row])
            settled[row] = True
        row_price[settled] += distance[settled] - length
        taken = settled & (column_of >= 0)
        column_price[column_of[taken]] += length - distance[taken]
        column_price[entering] += length
        while row >= 0:
            column = int(reached_from[row])
            column_of[row] = column
            row, row_of[column] = int(row_of[column]), row
    return row_of
