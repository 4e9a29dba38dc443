import TelpherClient
import Testing

@testable import TelpherCLI

struct ListingTests {
  private let entries = [
    FileEntry(path: PathText("d/.hidden"), kind: .file, size: 1, mode: 0o600),
    FileEntry(path: PathText("d/a"), kind: .directory, mode: 0o755),
    FileEntry(path: PathText("d/a/.h"), kind: .directory, mode: 0o755),
    FileEntry(path: PathText("d/a/.h/x"), kind: .file, size: 5, mode: 0o600),
    FileEntry(path: PathText([0x64, 0x2F, 0xFF, 0x0A]), kind: .file, size: 123, mode: 0o600),
    FileEntry(path: PathText("d/l"), kind: .symlink, link: PathText("a\u{1B}")),
  ]

  private func lines(
    base: String = "d", isLong: Bool = false, showsHidden: Bool = false, isForTerminal: Bool = true
  ) -> String {
    let listing = Listing(
      base: Array(base.utf8), isLong: isLong, showsHidden: showsHidden, isForTerminal: isForTerminal
    )
    return String(decoding: listing.text(of: entries), as: UTF8.self)
  }

  @Test func namesAreRelativeToTheFolder() {
    #expect(lines() == "a/\n\\xff\\x0a\nl\n")
    #expect(lines(base: "./d//") == lines())
    #expect(lines(base: "").hasPrefix("d/a/\n"))
  }

  @Test func hiddenNamesAreShownOnRequest() {
    #expect(lines(showsHidden: true).hasPrefix(".hidden\na/\na/.h/\na/.h/x\n"))
  }

  @Test func aPipeGetsNamesUnescaped() {
    let listing = Listing(
      base: Array("d".utf8), isLong: false, showsHidden: false, isForTerminal: false)
    #expect(
      listing.text(of: entries) == Array("a/\n".utf8) + [0xFF, 0x0A, 0x0A] + Array("l\n".utf8))
  }

  @Test func aLongListingIsInColumns() {
    #expect(
      lines(isLong: true) == """
        drwxr-xr-x    -  -  a/
        -rw-------  123  -  \\xff\\x0a
        lrwxrwxrwx    -  -  l -> a\\x1b

        """)
  }

  @Test func aSingleFileIsListedWithItsPath() {
    let listing = Listing(
      base: Array("x/f".utf8), isLong: false, showsHidden: false, isForTerminal: true)
    let file = FileEntry(path: PathText("x/f"), kind: .file)
    #expect(listing.text(of: [file]) == Array("x/f\n".utf8))
  }
}
