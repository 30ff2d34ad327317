"""A page of HTML that escapes what it holds and loads nothing."""

import base64
import html.parser

from experiment.runs import page


class Reader(html.parser.HTMLParser):
  """Notes the tags with their attributes, and the texts."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.texts = [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_data(self, data):
    if data.strip():
      self.texts.append(data)


NASTY = '<script src="x">alert(1)</script> & "quoted" \'too\''


def test_names_are_texts_wherever_they_stand(tmp_path):
  path = tmp_path / 'a.png'
  path.write_bytes(b'\x89PNG\0')
  text = page.whole(NASTY, [
      page.heading(NASTY),
      page.paragraph(NASTY),
      page.table([NASTY, 'b'], [[NASTY, NASTY]], best=[(0, 1)]),
      page.folded(NASTY, page.pictures([page.picture(path, NASTY)])),
  ])
  read = Reader(text)
  loading = ('script', 'link', 'iframe')
  assert not [tag for tag, _ in read.tags if tag in loading]
  # Title, its heading, heading, paragraph, three cells, summary.
  assert read.texts.count(NASTY) == 8
  (picture,) = [attrs for tag, attrs in read.tags if tag == 'img']
  assert picture['alt'] == NASTY
  kind, data = picture['src'].split(',')
  assert kind == 'data:image/png;base64'
  assert base64.b64decode(data) == b'\x89PNG\0'
  (cell,) = [attrs for tag, attrs in read.tags if tag == 'td']
  assert cell == {'class': 'best'}


def test_nothing_is_loaded_from_elsewhere():
  text = page.whole('a', [])
  assert "default-src 'none'; img-src data:" in text
  assert 'http://' not in text and 'https://' not in text and 'url(' not in text


def test_a_name_that_is_no_utf_8_can_be_written():
  assert page.escape('a\udcff<').encode() == b'a\\udcff&lt;'
