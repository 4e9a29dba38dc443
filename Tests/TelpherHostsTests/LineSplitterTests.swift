import TelpherTestSupport
import Testing

@testable import TelpherHosts

@Suite struct LineSplitterTests {
  private func lines(_ pieces: [[UInt8]]) -> [[UInt8]] {
    var splitter = LineSplitter()
    var lines: [[UInt8]] = []
    for piece in pieces { piece.withUnsafeBytes { splitter.add($0) { lines.append(Array($0)) } } }
    splitter.finish { lines.append(Array($0)) }
    return lines
  }

  @Test(arguments: [
    ("", []), ("a", ["a"]), ("a\n", ["a"]), ("\n", [""]), ("a\n\nb", ["a", "", "b"]),
    ("\n\n", ["", ""]),
  ])
  func `An output is divided into lines`(_ text: String, _ expected: [String]) {
    let bytes = Array(text.utf8)
    #expect(lines([bytes]) == expected.map { Array($0.utf8) })
    #expect(lines(bytes.map { [$0] }) == expected.map { Array($0.utf8) })
  }

  @Test func `A long line is divided into pieces of bounded length`() {
    let long = [UInt8](repeating: 120, count: LineSplitter.maxLine)
    #expect(lines([long + [10, 121]]) == [long, [121]])
    #expect(lines([long + [121, 10, 122]]) == [long, [121], [122]])
    #expect(lines([long, long, [10]]) == [long, long])
  }

  @Test func `Random pieces give the same lines as the whole`() {
    var random = SeededGenerator(seed: 7)
    for _ in 0..<200 {
      let bytes = (0..<Int.random(in: 0..<300, using: &random)).map { _ in
        Bool.random(using: &random) ? UInt8(10) : UInt8.random(in: 97...99, using: &random)
      }
      var pieces: [[UInt8]] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Int.random(in: 0...rest.count, using: &random)
        pieces.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      #expect(lines(pieces) == lines([bytes]))
    }
  }
}
