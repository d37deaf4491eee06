"""A software rasterizer: which triangle each pixel sees, and what a vertex attribute is there.

Orthographic. Compiled by numba on first use (cached beside this file where that folder can be written).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from edge.values import Float32Array


class Seen(NamedTuple):
    """What each pixel sees.

    Attributes:
        triangle: int32 (H, W), −1 where it sees nothing.
        weights: float32 (H, W, 3), barycentric, of the triangle's corners.
        depth: float32 (H, W), larger is nearer; −inf where nothing is.
    """

    triangle: NDArray[np.int32]
    weights: Float32Array
    depth: Float32Array


def rasterize(points: Float32Array, triangles: NDArray[np.int32], height: int, width: int) -> Seen:
    """Finds the nearest triangle that faces the viewer for each pixel.

    Args:
        points: float32 (V, 3): x to the right and y down in pixels, whole numbers at pixel centres; z towards the
            viewer.
        triangles: int32 (T, 3); those that wind counter-clockwise on the screen (y down) face the viewer.
        height, width: of the picture.
    """
    triangle = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), -np.inf, np.float32)
    _fill(np.ascontiguousarray(points, np.float32), triangles, triangle, weights, depth)
    return Seen(triangle, weights, depth)


def interpolate(seen: Seen, triangles: NDArray[np.int32], values: Float32Array) -> Float32Array:
    """A vertex attribute float32 (V, K) at each pixel: float32 (H, W, K), 0 where nothing is seen."""
    out = np.zeros((*seen.triangle.shape, values.shape[1]), np.float32)
    _blend(seen.triangle, seen.weights, triangles, np.ascontiguousarray(values, np.float32), out)
    return out


def vertex_normals(points: Float32Array, triangles: NDArray[np.int32]) -> Float32Array:
    """Unit normals (V, 3) of a mesh (V, 3), each the area-weighted mean of its triangles'."""
    out = np.zeros_like(points, dtype=np.float32)
    _sum_normals(np.ascontiguousarray(points, np.float32), triangles, out)
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), np.float32)


@numba.njit(cache=True, nogil=True)
def _fill(points, triangles, triangle, weights, depth):  # type: ignore[no-untyped-def] # pragma: no cover
    height, width = triangle.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if area <= 1e-9:
            continue
        x1, x2 = max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), width - 1)
        y1, y2 = max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), height - 1)
        for y in range(y1, y2 + 1):
            for x in range(x1, x2 + 1):
                wa = ((cx - x) * (by - y) - (bx - x) * (cy - y)) / area
                wb = ((ax - x) * (cy - y) - (cx - x) * (ay - y)) / area
                wc = 1.0 - wa - wb
                if wa < -1e-6 or wb < -1e-6 or wc < -1e-6:
                    continue
                z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if z > depth[y, x]:
                    depth[y, x] = z
                    triangle[y, x] = t
                    weights[y, x, 0] = wa
                    weights[y, x, 1] = wb
                    weights[y, x, 2] = wc


@numba.njit(cache=True, nogil=True)
def _blend(triangle, weights, triangles, values, out):  # type: ignore[no-untyped-def] # pragma: no cover
    for y in range(triangle.shape[0]):
        for x in range(triangle.shape[1]):
            t = triangle[y, x]
            if t < 0:
                continue
            for corner in range(3):
                v, w = triangles[t, corner], weights[y, x, corner]
                for k in range(values.shape[1]):
                    out[y, x, k] += w * values[v, k]


@numba.njit(cache=True, nogil=True)
def _sum_normals(points, triangles, out):  # type: ignore[no-untyped-def] # pragma: no cover
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
