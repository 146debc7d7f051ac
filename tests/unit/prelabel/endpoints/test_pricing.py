"""Costs are exact and rounded up; no usage within what was sent costs more than its bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labeling.prelabel.endpoints.endpoint import Price
from labeling.prelabel.endpoints.pricing import bound_micro, cost_micro, image_tokens

amounts = st.integers(0, 200_000_000)
sizes = st.tuples(st.integers(1, 4_096), st.integers(1, 4_096))


@st.composite
def prices(draw: st.DrawFn) -> Price:
    input_per_m = draw(amounts)
    cached = draw(st.none() | st.integers(0, input_per_m))
    return Price(input_per_m, draw(amounts), cached, draw(st.integers(0, 100_000)), draw(st.integers(1, 40)))


def test_a_cost_is_rounded_up_to_a_whole_micro() -> None:
    price = Price(input_per_m=1)

    found = [cost_micro(price, tokens, 0) for tokens in (0, 1, 1_000_000, 1_000_001)]

    assert found == [0, 1, 1, 2]


def test_cached_tokens_cost_their_own_price_and_are_never_more_than_were_sent() -> None:
    price = Price(input_per_m=1_000_000, output_per_m=2_000_000, cached_input_per_m=100_000, per_request=7)

    found = [cost_micro(price, 1_000, 10, cached) for cached in (0, 500, 1_000, 9_999)]

    assert found == [1_027, 577, 127, 127]


@given(price=prices(), words=st.text(max_size=400), out=st.integers(0, 4_000), data=st.data())
def test_no_usage_of_a_text_costs_more_than_its_bound(price: Price, words: str, out: int, data: st.DataObject) -> None:
    size = len(words.encode())
    used_in, used_out = data.draw(st.integers(0, size)), data.draw(st.integers(0, out))
    cached = data.draw(st.integers(0, used_in))

    assert cost_micro(price, used_in, used_out, cached) <= bound_micro(price, size, [], out)


@given(price=prices(), pictures=st.lists(sizes, max_size=6), share=st.floats(0, 1), out=st.integers(0, 500))
def test_no_usual_way_to_count_pictures_costs_more_than_the_bound(
    price: Price, pictures: list[tuple[int, int]], share: float, out: int
) -> None:
    bound = bound_micro(price, 100, pictures, out)

    for count in (_tiles, _patches, _area, _fixed_tiles):
        tokens = 100 + price.image_times * sum(count(width, height) for width, height in pictures)
        assert cost_micro(price, tokens, round(out * share)) <= bound


@given(sizes, sizes)
def test_a_larger_picture_is_never_fewer_tokens(one: tuple[int, int], other: tuple[int, int]) -> None:
    smaller = min(one[0], other[0]), min(one[1], other[1])

    assert image_tokens(*smaller) <= image_tokens(*one)


def _tiles(width: int, height: int) -> int:
    """85 and 170 a tile of 512, after it was made to fit into 2048 and its short side into 768."""
    scale = min(1.0, 2_048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    tiles = -(-max(1, int(width * scale)) // 512) * -(-max(1, int(height * scale)) // 512)
    return 85 + 170 * tiles


def _patches(width: int, height: int) -> int:
    """Patches of 28 pixels, its sides rounded to whole ones."""
    return max(1, width // 28) * max(1, height // 28)


def _area(width: int, height: int) -> int:
    return width * height // 750


def _fixed_tiles(width: int, height: int) -> int:
    """Five views of 576 patches whatever its size."""
    return 5 * 576
