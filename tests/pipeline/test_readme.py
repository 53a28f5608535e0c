"""The README's example runs, and says what it does."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_of_the_readme_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    names = {}
    exec(code, names)
    net, w, g = names["net"], names["w"], names["g"]
    assert names["mc"].count_components(net) == 4
    assert net.loss(net.symmetry.act(g, w)) < 1e-20 * net.Y.square().sum()
    assert names["curve"].residual < 1e-20
