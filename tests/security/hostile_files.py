"""Files nobody should have to open, made here byte by byte: each is to be refused in words or read harmlessly."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

from PIL import Image

MAKERS: dict[str, Callable[[], bytes]] = {}
HEADER = "mouse,pdx_model,sex\n"
MEASURED = "mouse,arm,day,volume_mm3\n"
XML = b'<?xml version="1.0"?>'


def hostile(name: str):
    """Keep a maker under the name a careless person would upload its file by."""

    def keep(maker: Callable[[], bytes]) -> Callable[[], bytes]:
        MAKERS[name] = maker
        return maker

    return keep


def text(name: str, content: str, encoding: str = "utf-8") -> None:
    MAKERS[name] = lambda: content.encode(encoding, "surrogatepass")


def archive(*files: tuple[str, bytes], **info) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.items():
                setattr(entry, key, value)
            packed.writestr(entry, content)
    return out.getvalue()


def workbook(sheet: bytes, *more: tuple[str, bytes]) -> bytes:
    kinds = XML + b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    return archive(("[Content_Types].xml", kinds), ("xl/worksheets/sheet1.xml", sheet), *more)


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def jpeg(size: tuple[int, int] = (8, 8), **more) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, "JPEG", **more)
    return out.getvalue()


# Archives and workbooks
hostile("bomb.zip")(lambda: archive(("a.csv", b"0" * 30_000_000)))
hostile("bomb-in-bomb.zip")(
    lambda: archive(*[(f"{n}.zip", archive(("a", b"0" * 3_000_000))) for n in range(9)])
)
hostile("many-files.zip")(lambda: archive(*[(f"{n}.csv", b"") for n in range(5000)]))
hostile("slip.zip")(lambda: archive(("../../../../tmp/slipped.csv", b"mouse\n")))
hostile("absolute.zip")(lambda: archive(("/etc/cron.d/slipped", b"* * * * *")))
hostile("link.zip")(lambda: archive(("link.csv", b"/etc/passwd"), external_attr=0o120777 << 16))
hostile("cut.zip")(lambda: archive(("a.csv", b"mouse,pdx_model\n" * 100))[:60])
hostile("empty.zip")(lambda: archive())
hostile("bomb.xlsx")(lambda: workbook(b"<worksheet>" + b"<c>0</c>" * 4_000_000 + b"</worksheet>"))
hostile("laughs.xlsx")(lambda: workbook(
    XML + b'<!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)
    ) + b"]><worksheet>&j;</worksheet>"
))  # fmt: skip
hostile("entity.xlsx")(lambda: workbook(
    XML + b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><worksheet>&x;</worksheet>'
))  # fmt: skip
hostile("far-entity.xlsx")(lambda: workbook(
    XML + b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/evil.dtd"><worksheet/>'
))  # fmt: skip
hostile("macro.xlsm")(
    lambda: workbook(b"<worksheet/>", ("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0" + b"\0" * 600))
)
hostile("cut.xlsx")(lambda: workbook(b"<worksheet/>")[:-40])
hostile("no-sheets.xlsx")(lambda: archive(("[Content_Types].xml", b"<Types/>")))
hostile("encrypted.xlsx")(
    lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4000 + "EncryptedPackage".encode("utf-16-le")
)
hostile("old.xls")(lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x01" * 4000)
hostile("flagged-encrypted.zip")(
    lambda: archive(("a.csv", b"mouse\n")).replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01")
)
hostile("bomb.csv.gz")(lambda: zlib.compress(b"0" * 20_000_000, 9, 31))
hostile("manifest-bomb.zip")(lambda: archive(("manifest.json", b'{"a":' * 200_000)))
hostile("manifest-wrong.zip")(lambda: archive(("manifest.json", json.dumps({"format": 99}).encode())))
hostile("manifest-traversal.zip")(lambda: archive(
    ("manifest.json", json.dumps({"photos": {"../../evil": "0" * 64}, "format": 1}).encode()), ("../../evil", b"x")
))  # fmt: skip

# Tables
text("columns.csv", ",".join(f"c{n}" for n in range(1_000_000)) + "\n1\n")
text("same-columns.csv", ",".join(["mouse"] * 200_000) + "\n1\n")
text("giant-cell.csv", HEADER + "M1," + "x" * 1_500_000 + ",female\n")
text("giant-header.csv", "m" * 1_500_000 + "\n1\n")
text("open-quote.csv", HEADER + '"M1,BR-1,female\n' * 20_000)
text("many-rows.csv", HEADER + "M,BR-1,female\n" * 100_000)
text("only-commas.csv", "," * 1_900_000)
text("only-newlines.csv", "\n" * 500_000)
text("only-quotes.csv", '"' * 1_900_000)
text("nul.csv", HEADER + "M\x001,BR-1,female\n")
text("control.csv", HEADER + "M\x1b[2J\x07,BR-1,female\n")
text("bidi.csv", HEADER + "M\u202e1\u2066,BR-1,female\n")
text("zero-width.csv", HEADER + "M\u200b1\ufeff,BR-1,female\n")
text("surrogates.csv", HEADER + "M\ud800\udfff\udc00,BR-1,female\n")
text("utf16.csv", HEADER + "M1,BR-1,female\n", "utf-16")
text("utf16-no-mark.csv", HEADER + "M1,BR-1,female\n", "utf-16-le")
text("utf16-odd.csv", HEADER, "utf-16-le")
MAKERS["utf16-cut.csv"] = lambda: (HEADER + "M1").encode("utf-16")[:-1]
text("utf32.csv", HEADER + "M1,BR-1,female\n", "utf-32")
text("utf7.csv", HEADER + "+ADw-script+AD4-alert(1)+ADw-/script+AD4-,BR-1,female\n")
text("many-marks.csv", "\ufeff" * 5000 + HEADER + "M1,BR-1,female\n")
MAKERS["not-utf8.csv"] = lambda: HEADER.encode() + b"\xff\xfe\xfd\x80\x81,BR-1,female\n"
MAKERS["overlong.csv"] = lambda: HEADER.encode() + b"\xc0\xaf\xc0\xae,BR-1,female\n"
text("formula.csv", HEADER + "=cmd|' /C calc'!A0,BR-1,female\n")
text("formulas.csv", HEADER + "\n".join(f"{c}1+1,BR-1,female" for c in "=+-@\t") + "\n")
text("link-formula.csv", HEADER + '"=HYPERLINK(""http://evil.example"",""M1"")",BR-1,female\n')
text("script.csv", HEADER + "<script>alert(1)</script>,BR-1,female\n")
text("sql.csv", HEADER + "'); DROP TABLE studies_mouse;--,BR-1,female\n")
text("template.csv", HEADER + "{{7*7}}{% debug %},BR-1,female\n")
text("numbers.csv", MEASURED + "".join(f"M{n},A,{n},{word}\n" for n, word in enumerate(
    ["NaN", "inf", "-inf", "1e999", "1e-999", "0x1F", "١٢٣", "²", "1_000", "--1", "1e", "9" * 400]
)))  # fmt: skip
text("digits.csv", MEASURED + f"M1,A,1,{'9' * 1_000_000}\n")
text("days.csv", MEASURED + "M1,A,1e308,1\nM2,A,-99999999999,1\nM3,A,NaN,1\n")
text("merged.csv", HEADER + "M1,BR-1,female\nM2\n,,,,\nM3,BR-1\n")
text("carriage.csv", HEADER + "M1\r\nSet-Cookie: x=1,BR-1,female\r")
text("nested.json", "[" * 200_000)
text("nested.xml", "<a>" * 100_000)
text("page.html.csv", "<html><script>alert(1)</script></html>")
MAKERS["nothing.csv"] = lambda: b""
MAKERS["blank.csv"] = lambda: b" \n\t\n"
MAKERS["program.csv"] = lambda: b"\x7fELF\x02\x01\x01" + b"\0" * 500
MAKERS["script.csv.sh"] = lambda: b"#!/bin/sh\nrm -rf /\n"
MAKERS["paper.pdf"] = lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj"

# Pictures
hostile("flood.png")(lambda: png(60_000, 60_000))
hostile("bomb.png")(lambda: png(7_000, 8_000, b"\0" * 30_000_000))
hostile("zero.png")(lambda: png(0, 0))
hostile("negative.png")(lambda: png(2**31 - 1, 2**31 - 1))
hostile("cut.png")(lambda: png(50, 50, bytes(range(151)) * 50)[:80])
hostile("long-text.png")(lambda: png(4, 4)[:33] + struct.pack(">I", 2**31 - 1) + b"zTXt")
hostile("page.jpg")(lambda: jpeg() + b"<html><script>alert(1)</script></html>")
hostile("comment.jpg")(lambda: jpeg(comment=b"<script>alert(1)</script>"))
hostile("archive.jpg")(lambda: jpeg() + archive(("a.php", b"<?php")))
hostile("place.jpg")(
    lambda: jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\xff\0\0\0\0\0\0")
)
hostile("cut.jpg")(lambda: jpeg((400, 400))[:300])
hostile("really-html.jpg")(lambda: b"<html><body onload=alert(1)>")
hostile("really-gif.jpg")(lambda: b"GIF89a\xff\xff\xff\xff\0\0\0")
hostile("drawing.svg")(
    lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
)
hostile("xxe.svg")(lambda: XML + b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>')
hostile("vector.eps.png")(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n")
hostile("flood.webp")(lambda: b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff")

# Names that mean something to a file system, a header or a page
NAMES = (
    "../../../../etc/passwd", "..\\..\\windows\\system.ini", "/etc/passwd", "C:\\boot.ini", "a\x00.csv",
    "a.csv\r\nX-Evil: 1",
    "<img src=x onerror=alert(1)>.csv", "{{7*7}}.csv", "=cmd.csv", "\u202egpj.exe", "x" * 4000 + ".csv", "CON",
    ".htaccess", "photo.jpg.php", "\ufffe\x7f.csv", "",
)  # fmt: skip
