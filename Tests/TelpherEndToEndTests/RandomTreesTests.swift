import Glibc
import TelpherTestSupport
import Testing

/// Sends random trees to a server and fetches them again with the program: names of any bytes,
/// holes, links, empty folders; over a Unix socket, over TCP, with TLS, and over standard input and
/// output as with ssh.
@Suite(
  .timeLimit(.minutes(10)),
  .enabled(if: access("/usr/bin/python3", X_OK) == 0, "Python 3 is not installed"))
struct RandomTreesTests {
  private static let program =
    #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    + "/Programs/random_trees.py"

  @Test(arguments: [SystemBackend.uv, .nio])
  func treesAreTheSameAfterPutAndGet(_ backend: SystemBackend) {
    let count = Scale.pick(fast: 2, full: 34)
    let seed = UInt32.random(in: 0 ... .max)
    let output = LocalShell.output(
      of: "/usr/bin/python3 '\(Self.program)' '\(backend.program)' \(count) \(seed) 2>&1")
    #expect(
      String(decoding: output, as: UTF8.self) == "\(4 * count) trees came back as they were\n",
      "seed \(seed)")
  }
}
