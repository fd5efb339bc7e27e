"""MNIST: reading, verifying and fetching, on small made-up files; the real ones where
BACKPROOF_MNIST names their folder."""

import gzip
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from backproof.model.command_line import BadInput
from backproof.model.data import load
from backproof.model.files import mnist
from backproof.model.files.mnist import MD5, fetch, parse_idx, read_mnist

GENERATOR_SEED = 7
SHAPES = {
    "train-images-idx3-ubyte": (6, 28, 28),
    "train-labels-idx1-ubyte": (6,),
    "t10k-images-idx3-ubyte": (2, 28, 28),
    "t10k-labels-idx1-ubyte": (2,),
}
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array):
    """The array as an IDX file."""
    return (
        bytes([0, 0, 8, array.ndim])
        + np.array(array.shape, dtype=">u4").tobytes()
        + array.tobytes()
    )


@pytest.fixture(scope="module")
def arrays():
    generator = np.random.default_rng(GENERATOR_SEED)
    return {
        name: generator.integers(0, 10, shape, dtype=np.uint8) for name, shape in SHAPES.items()
    }


@pytest.fixture(scope="module")
def md5(arrays):
    return {name: hashlib.md5(idx(array)).hexdigest() for name, array in arrays.items()}


@pytest.fixture
def server(arrays, monkeypatch) -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A mirror on loopback: its address, what it answers to each path, and what it was asked
    for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    answers = {f"/{name}.gz": gzip.compress(idx(array)) for name, array in arrays.items()}
    asked: list[str] = []

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path not in answers:
                return self.send_error(404)
            if answers[self.path].startswith(b"TO "):
                self.send_response(302)
                self.send_header("Location", answers[self.path][3:].decode())
                return self.end_headers()
            whole, sent = answers[self.path], answers[self.path].partition(b"TRUNCATE")[0]
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(sent)
            return None

        def log_message(self, *_):
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/", answers, asked
        http.shutdown()
        thread.join()


def refusal(call, *arguments, **options):
    with pytest.raises(BadInput) as error:
        call(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def fill(folder, arrays, spelling="{}", pack=bytes):
    for name, array in arrays.items():
        (folder / spelling.format(name)).write_bytes(pack(idx(array)))


@pytest.mark.parametrize(
    ("spelling", "pack"), [("{}", bytes), ("{}.gz", gzip.compress)], ids=["plain", "gzip"]
)
@pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
def test_files_are_read(tmp_path, arrays, md5, spelling, pack, dotted):
    for name, array in arrays.items():
        (tmp_path / spelling.format(name.replace("-idx", ".idx") if dotted else name)).write_bytes(
            pack(idx(array))
        )
    got = read_mnist(tmp_path, md5=md5)
    assert list(got) == list(arrays)
    for name, array in arrays.items():
        assert got[name].shape == array.shape
        assert np.array_equal(got[name], array)


def test_missing_files_are_named_with_where_to_get_them(tmp_path, arrays, md5):
    fill(tmp_path, {IMAGES: arrays[IMAGES]})
    assert refusal(read_mnist, tmp_path, md5=md5) == (
        f"{tmp_path}: expected the 4 MNIST files, plain or .gz, got none called "
        "train-labels-idx1-ubyte, "
        "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte. Add --download to fetch them from "
        f"https://ossci-datasets.s3.amazonaws.com/mnist/ into {tmp_path}, or name their folder "
        "with --data-dir."
    )


def test_a_folder_that_does_not_exist_misses_all_files(tmp_path):
    assert "got none called train-images-idx3-ubyte, train-labels" in refusal(
        read_mnist, tmp_path / "nowhere"
    )


def test_a_file_with_another_md5_is_named(tmp_path, arrays, md5):
    fill(tmp_path, arrays)
    wrong = dict(md5) | {LABELS: "0" * 32}
    assert refusal(read_mnist, tmp_path, md5=wrong) == (
        f"{tmp_path / LABELS}: expected unpacked bytes with MD5 {'0' * 32}, got {md5[LABELS]}. "
        "Remove it, and fetch it with --download."
    )


def test_one_changed_pixel_is_noticed(tmp_path, arrays, md5):
    fill(tmp_path, arrays)
    content = bytearray((tmp_path / IMAGES).read_bytes())
    content[-1] ^= 1
    (tmp_path / IMAGES).write_bytes(content)
    assert f"{IMAGES}: expected unpacked bytes with MD5 {md5[IMAGES]}, got " in refusal(
        read_mnist, tmp_path, md5=md5
    )


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-20], lambda packed: b"<html>" + packed], ids=["cut", "html"]
)
def test_a_damaged_gzip_file_is_named(tmp_path, arrays, md5, damage):
    fill(tmp_path, arrays, "{}.gz", lambda content: damage(gzip.compress(content)))
    text = refusal(read_mnist, tmp_path, md5=md5)
    assert text.startswith(f"{tmp_path / IMAGES}.gz: expected a whole .gz file, got: ")
    assert text.endswith("Remove it, and fetch it with --download.")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\0",
        b"\0\0\x0d\1\0\0\0\1abcd",
        b"\0\0\x08\1\0\0\0\3ab",
        b"\0\0\x08\1\0\0\0\1ab",
        b"\0\0\x08\3\0\0\0\1",
        b"\x89PNG....",
    ],
    ids=[
        "empty",
        "cut",
        "no dimensions",
        "floats",
        "too short",
        "too long",
        "header cut",
        "foreign",
    ],
)
def test_parse_idx_refuses(content):
    assert refusal(parse_idx, content, "f") == (
        f"f: expected a whole IDX file of uint8, got {len(content)} bytes that start with "
        f"{content[:4].hex() or 'nothing'}. Remove it, and fetch it with --download."
    )


def test_download_fetches_verifies_and_keeps_the_files(tmp_path, arrays, md5, server, capfd):
    mirror, answers, asked = server
    folder = tmp_path / "made" / "here"
    got = read_mnist(folder, download=True, mirror=mirror, md5=md5)
    assert all(np.array_equal(got[name], array) for name, array in arrays.items())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path[1:]: answers[path] for path in answers
    }
    read_mnist(folder, md5=md5)
    assert len(asked) == 4
    assert capfd.readouterr() == ("", "")  # the progress bar is for terminals


def test_download_fetches_only_what_is_missing(tmp_path, arrays, md5, server):
    mirror, _, asked = server
    fill(tmp_path, {IMAGES: arrays[IMAGES]})
    read_mnist(tmp_path, download=True, mirror=mirror, md5=md5)
    assert f"/{IMAGES}.gz" not in asked
    assert len(asked) == 3


RETRY = "Try again later, or copy the file into the folder yourself."


def test_download_of_other_bytes_leaves_nothing_behind(tmp_path, md5, server):
    mirror, answers, _ = server
    answers[f"/{LABELS}.gz"] = gzip.compress(b"other")
    assert refusal(fetch, LABELS, tmp_path, mirror, md5[LABELS]) == (
        f"{mirror}{LABELS}.gz: expected unpacked bytes with MD5 {md5[LABELS]}, got "
        f"{hashlib.md5(b'other').hexdigest()}. {RETRY}"
    )
    assert not list(tmp_path.iterdir())


def test_download_of_a_web_page_leaves_nothing_behind(tmp_path, md5, server):
    mirror, answers, _ = server
    answers[f"/{LABELS}.gz"] = b"<html>Please log in</html>"
    text = refusal(fetch, LABELS, tmp_path, mirror, md5[LABELS])
    assert (
        text == f"{mirror}{LABELS}.gz: expected a whole .gz file, got: Not a gzipped file (b'<h'). "
        f"{RETRY}"
    )
    assert not list(tmp_path.iterdir())


def test_download_that_is_not_there_leaves_nothing_behind(tmp_path, md5, server):
    mirror, answers, _ = server
    del answers[f"/{LABELS}.gz"]
    assert refusal(fetch, LABELS, tmp_path, mirror, md5[LABELS]) == (
        f"{mirror}{LABELS}.gz: expected the file, got: HTTP Error 404: Not Found. {RETRY}"
    )
    assert not list(tmp_path.iterdir())


def test_download_that_breaks_off_leaves_nothing_behind(tmp_path, md5, server):
    mirror, answers, _ = server
    answers[f"/{LABELS}.gz"] = b"start TRUNCATE never sent"
    assert refusal(fetch, LABELS, tmp_path, mirror, md5[LABELS]) == (
        f"{mirror}{LABELS}.gz: expected 25 bytes, got 6. {RETRY}"
    )
    assert not list(tmp_path.iterdir())


def test_download_without_a_server_is_refused(tmp_path, md5, server):
    text = refusal(fetch, LABELS, tmp_path, "http://127.0.0.1:9/", md5[LABELS])
    assert text.startswith(
        f"http://127.0.0.1:9/{LABELS}.gz: expected the file, got: <urlopen error "
    )
    assert text.endswith(RETRY)


def test_download_into_what_is_no_folder_is_refused(tmp_path, md5, server):
    (tmp_path / "file").write_text("")
    assert refusal(fetch, LABELS, tmp_path / "file", server[0], md5[LABELS]) == (
        f"{tmp_path}/file: expected a folder to write to, got: File exists. Choose one with "
        "--data-dir."
    )


def test_download_that_cannot_be_finished_leaves_nothing_behind(tmp_path, md5, server, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    assert "got: No space left on device." in refusal(
        fetch, LABELS, tmp_path, server[0], md5[LABELS]
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.mnist
def test_mnist_is_the_real_one():
    if "BACKPROOF_MNIST" not in os.environ:
        pytest.skip("BACKPROOF_MNIST does not name the folder of the MNIST files")
    mnist = load("mnist", Path(os.environ["BACKPROOF_MNIST"]))
    assert mnist.x.shape == (70_000, 784)
    assert mnist.x.dtype == np.uint8
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.y[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    # Mean of the scaled training pixels, as published with every PyTorch example: 0.1307.
    assert round(float(mnist.training(np.float32)[0].mean(dtype=np.float64)), 4) == 0.1307
    assert MD5.keys() == SHAPES.keys()


REDIRECTS = {  # the second one is refused by Python itself
    "ftp://127.0.0.1/x.gz": "a redirect to ftp, where https or http is expected",
    "file:///etc/passwd": "Redirection to url 'file:///etc/passwd' is not allowed",
}


@pytest.mark.parametrize("address", REDIRECTS)
def test_a_redirect_to_another_protocol_is_refused(tmp_path, md5, server, address):
    mirror, answers, _ = server
    answers[f"/{LABELS}.gz"] = b"TO " + address.encode()
    assert REDIRECTS[address] in refusal(fetch, LABELS, tmp_path, mirror, md5[LABELS])
    assert os.listdir(tmp_path) == []


def test_from_https_nothing_leads_to_plain_http():
    from urllib.request import Request

    opener = mnist._opener("https://example.org/")
    (redirects,) = [h for h in opener.handlers if type(h).__name__ == "Redirects"]
    request = Request("https://example.org/x")
    with pytest.raises(OSError, match="a redirect to http, where https is expected"):
        redirects.redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/x")


def test_a_download_without_end_is_stopped(tmp_path, md5, server, monkeypatch):
    mirror, answers, _ = server
    monkeypatch.setattr(mnist, "MOST_PACKED", 1000)
    answers[f"/{LABELS}.gz"] = bytes(5000)
    assert "got: one of 5,000 bytes" in refusal(fetch, LABELS, tmp_path, mirror, md5[LABELS])


def test_bytes_with_the_right_md5_and_another_sha256_are_refused(monkeypatch):
    content = b"content"
    md5 = hashlib.md5(content).hexdigest()
    mnist._require(content, md5, "f", "")
    monkeypatch.setitem(mnist.SHA256, md5, "0" * 64)
    assert "SHA-256" in refusal(mnist._require, content, md5, "f", "")
    assert mnist.SHA256.keys() >= set(mnist.MD5.values())
