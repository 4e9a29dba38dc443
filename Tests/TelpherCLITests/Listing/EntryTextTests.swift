import TelpherClient
import Testing

@testable import TelpherCLI

struct EntryTextTests {
  static let modesAsLsHasThem: [(FileEntry.Kind, UInt32?, String)] = [
    (.file, 0o644, "-rw-r--r--"), (.directory, 0o755, "drwxr-xr-x"),
    (.directory, 0o1777, "drwxrwxrwt"), (.directory, 0o1776, "drwxrwxrwT"),
    (.file, 0o4755, "-rwsr-xr-x"), (.file, 0o2644, "-rw-r-Sr--"), (.file, 0, "----------"),
    (.symlink, nil, "lrwxrwxrwx"), (.other, 0o600, "?rw-------"), (.file, nil, "-?????????"),
  ]

  @Test(arguments: modesAsLsHasThem)
  func modesAreFormattedAsByLs(_ kind: FileEntry.Kind, _ mode: UInt32?, _ text: String) {
    #expect(EntryText.mode(FileEntry(path: PathText("x"), kind: kind, mode: mode)) == text)
  }

  @Test func theParagraphHasAllKnownProperties() {
    let entry = FileEntry(
      path: PathText("a\nb"), kind: .file, size: 12, mode: 0o40, mtimeNS: 1_000_000_001)
    let lines = EntryText.paragraph(entry).split(separator: "\n")
    #expect(
      lines.prefix(4) == [#"path: a\x0ab"#, "kind: file", "size: 12", "mode: 0040 (----r-----)"])
    #expect(lines[4].contains(".000000001 "))
    let link = FileEntry(path: PathText(""), kind: .symlink, link: PathText("to"))
    #expect(EntryText.paragraph(link) == "path: .\nkind: symlink\nlink: to\n")
  }
}
