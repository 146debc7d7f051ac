"""What a question to an endpoint costs, and what it costs at most: whole millionths of a currency, rounded up.

In: a price, tokens, or the sizes of what is sent. Out: micro. The bound is for reservations: it must not be passed, so
it counts a token for every byte of text, and for a picture the most expensive of the usual ways to count.
"""

from __future__ import annotations

from collections.abc import Sequence

from labeling.prelabel.endpoints.endpoint import Price

__all__ = ["bound_micro", "cost_micro", "image_tokens"]

MILLION = 1_000_000
OVERHEAD_TOKENS = 256
"""What a server's own template may add around the messages."""
TILE, TILE_TOKENS, BASE_TOKENS = 512, 170, 85
AREA_A_TOKEN = 750
PATCH = 28
FEWEST_PICTURE_TOKENS = 3_000
"""Some models take a fixed number for any picture; this is above those that we know."""


def cost_micro(price: Price, tokens_in: int, tokens_out: int, cached_in: int = 0) -> int:
    """What a question cost. `cached_in` of the tokens came from the endpoint's own cache.

    Examples
    --------
    >>> cost_micro(Price(input_per_m=150_000, output_per_m=600_000), 1_500, 120)
    297
    >>> cost_micro(Price(), 1_500, 120)
    0
    """
    cached = min(max(cached_in, 0), tokens_in)
    cached_rate = price.input_per_m if price.cached_input_per_m is None else price.cached_input_per_m
    total = (tokens_in - cached) * price.input_per_m + cached * cached_rate + tokens_out * price.output_per_m
    return -(-total // MILLION) + price.per_request


def bound_micro(price: Price, text_bytes: int, images: Sequence[tuple[int, int]], max_tokens_out: int) -> int:
    """The most that a question can cost.

    Parameters
    ----------
    price : Price
        Of the endpoint; some count every picture many times over: `image_times`.
    text_bytes : int
        Everything that is sent but the pictures, in UTF-8: no tokenizer makes more tokens than there are bytes.
    images : sequence of (width, height)
        The pictures, in pixels.
    max_tokens_out : int
        The longest answer that the request allows.

    Examples
    --------
    >>> price = Price(input_per_m=1_000_000, output_per_m=2_000_000)
    >>> bound_micro(price, 1_000, [], 100) >= cost_micro(price, 1_000, 100)
    True
    """
    pictures = price.image_times * sum(image_tokens(width, height) for width, height in images)
    return cost_micro(price, text_bytes + OVERHEAD_TOKENS + pictures, max_tokens_out)


def image_tokens(width: int, height: int) -> int:
    """More tokens than a picture of this size takes by tiles, by area, by patches or by a fixed number.

    Examples
    --------
    >>> image_tokens(448, 448), image_tokens(2_048, 2_048)
    (3000, 5593)
    """
    tiles = BASE_TOKENS + TILE_TOKENS * -(-width // TILE) * -(-height // TILE)
    patches = -(-width // PATCH) * -(-height // PATCH)
    return max(FEWEST_PICTURE_TOKENS, tiles, patches, -(-width * height // AREA_A_TOKEN))
