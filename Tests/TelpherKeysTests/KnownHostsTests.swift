import Glibc
import TelpherTestSupport
import Testing

@testable import TelpherKeys

struct KnownHostsTests {
  private static let first = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32))!
  private static let second = SSHPublicKey(ed25519: [UInt8](repeating: 2, count: 32))!

  private func verdict(
    _ text: String, _ key: SSHPublicKey = first, of host: String = "host", port: UInt16 = 7_373
  ) throws -> KnownHosts.Verdict {
    try KnownHosts(text).verdict(on: key, of: host, port: port)
  }

  @Test func aListedKeyIsKnown() throws {
    #expect(try verdict("# a comment\n\n[host]:7373 \(Self.first) me\n") == .known(line: 3))
  }

  @Test func aHostThatIsNotListedIsUnknown() throws {
    #expect(try verdict("") == .unknown)
    #expect(try verdict("[other]:7373 \(Self.first)\n") == .unknown)
    #expect(try verdict("[host]:7374 \(Self.first)\n") == .unknown)
    // A name without a port is that of port 22.
    #expect(try verdict("host \(Self.first)\n") == .unknown)
    #expect(try verdict("host \(Self.first)\n", port: 22) == .known(line: 1))
  }

  @Test func anotherKeyIsReportedWithItsLine() throws {
    let text = "[x]:1 \(Self.second)\n[host]:7373 \(Self.second)\n"
    #expect(try verdict(text) == .changed([KnownHosts.Entry(line: 2, key: Self.second)]))
    #expect(try verdict(text + "[host]:7373 \(Self.first)\n") == .known(line: 3))
  }

  @Test func patternsAndExclusionsCount() throws {
    #expect(try verdict("[*]:7373 \(Self.first)\n") == .known(line: 1))
    #expect(try verdict("[h?st]:* \(Self.first)\n") == .known(line: 1))
    #expect(try verdict("[*]:7373,![host]:7373 \(Self.first)\n") == .unknown)
    #expect(try verdict("[HOST]:7373 \(Self.first)\n", of: "Host") == .known(line: 1))
  }

  @Test func aRevokedKeyIsRefusedBeforeAnyOtherLine() throws {
    let text = "[host]:7373 \(Self.first)\n@revoked * \(Self.first)\n"
    #expect(try verdict(text) == .revoked(line: 2))
    #expect(try verdict("@revoked * \(Self.second)\n") == .unknown)
    #expect(throws: KeyError.self) { try verdict("@revoked * ssh-ed25519 AAAA\n") }
    #expect(try verdict("@revoked other ssh-ed25519 AAAA\n") == .unknown)
  }

  @Test func anAuthoritySaysNothingAboutAKey() throws {
    #expect(try verdict("@cert-authority * \(Self.first)\n") == .unknown)
    #expect(try verdict("@cert-authority * \(Self.second)\n") == .unknown)
    let unknown = KnownHosts("@future * \(Self.first)\n")
    #expect(unknown.unreadable == [1])
    #expect(try unknown.verdict(on: Self.first, of: "host", port: 1) == .unknown)
  }

  @Test func linesThatCannotBeReadSayNothing() throws {
    let hosts = KnownHosts("[host]:7373\n[host]:7373 ssh-ed25519 !!!\nnonsense\n")
    #expect(hosts.unreadable == [1, 2, 3])
    #expect(try hosts.verdict(on: Self.first, of: "host", port: 7_373) == .unknown)
  }

  @Test(.enabled(if: KeyFolder.hasTools, "ssh-keygen is needed"))
  func namesThatSSHKeygenHasHashedAreFound() throws {
    let folder = try KeyFolder()
    try folder.write("known", "[host]:7373 \(Self.first)\nplain \(Self.second)\n")
    try folder.run(["ssh-keygen", "-q", "-H", "-f", folder.file("known")])
    let text = try folder.text("known")
    #expect(!text.contains("host"))
    #expect(try verdict(text) == .known(line: 1))
    #expect(try verdict(text, Self.second, of: "plain", port: 22) == .known(line: 2))
    #expect(try verdict(text, of: "plain", port: 23) == .unknown)
  }

  @Test(.enabled(if: KeyFolder.hasTools, "ssh-keygen is needed"))
  func linesThatAreAddedAreFoundBySSHKeygen() throws {
    let folder = try KeyFolder()
    let file = KnownHostsFile(folder.file("deep/er/known"))
    #expect(try file.read().verdict(on: Self.first, of: "host", port: 7_373) == .unknown)
    try file.add(Self.first, of: "Host", port: 7_373)
    try file.add(Self.second, of: "::1", port: 22)
    let found = try folder.run(["ssh-keygen", "-F", "[host]:7373", "-f", file.path])
    #expect(found.contains("\(Self.first)"))
    #expect(try file.read().verdict(on: Self.first, of: "host", port: 7_373) == .known(line: 1))
    #expect(try file.read().verdict(on: Self.second, of: "::1", port: 22) == .known(line: 2))
    var status = stat()
    #expect(stat(file.path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test func aLineIsAddedAfterOneWithoutANewline() throws {
    let folder = try KeyFolder()
    try folder.write("known", "[other]:1 \(Self.second)")
    try KnownHostsFile(folder.file("known")).add(Self.first, of: "host", port: 7_373)
    #expect(try folder.text("known") == "[other]:1 \(Self.second)\n[host]:7373 \(Self.first)\n")
  }

  @Test func aHostIsForgottenAndTheRestStays() throws {
    let folder = try KeyFolder()
    let text = """
      # mine
      [host]:7373 \(Self.first)
      a,[Host]:7373,b \(Self.first) both
      [*]:7373 \(Self.second)
      @revoked [host]:7373 \(Self.second)
      [host]:7374 \(Self.first)
      nonsense

      """
    try folder.write("target", text, mode: 0o644)
    try check(symlink(folder.file("target"), folder.file("known")), "symlink")
    let file = KnownHostsFile(folder.file("known"))
    let forgotten = try file.forget("host", port: 7_373)
    #expect(forgotten == .init(removed: [2, 3], patterns: [4]))
    #expect(
      try folder.text("target") == """
        # mine
        a,b \(Self.first) both
        [*]:7373 \(Self.second)
        @revoked [host]:7373 \(Self.second)
        [host]:7374 \(Self.first)
        nonsense

        """)
    var status = stat()
    #expect(lstat(folder.file("known"), &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(stat(folder.file("target"), &status) == 0 && status.st_mode & 0o777 == 0o644)
    #expect(try file.forget("none", port: 1) == .init(removed: [], patterns: []))
  }

  @Test func hashedNamesAreForgotten() throws {
    let hash = hmacSHA1(key: [UInt8](repeating: 7, count: 20), Array("[host]:7373".utf8))
    let salt = "BwcHBwcHBwcHBwcHBwcHBwcHBwc="
    let line = "|1|\(salt)|\(base64(hash)) \(Self.first)\n"
    #expect(try verdict(line) == .known(line: 1))
    let result = KnownHosts.forgetting("host", port: 7_373, in: line)
    #expect(result.removed == [1])
    #expect(result.text.isEmpty)
  }

  private func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = Array(bytes[start..<min(start + 3, bytes.count)])
      let number = (group + [0, 0])[..<3].reduce(0) { $0 << 8 | Int($1) }
      for digit in 0..<4 {
        text.append(digit <= group.count ? alphabet[number >> (18 - 6 * digit) & 63] : "=")
      }
    }
    return text
  }

  @Test func aFileThatOthersCanWriteIsRefused() throws {
    let folder = try KeyFolder()
    try folder.write("known", "[host]:7373 \(Self.first)\n", mode: 0o666)
    let file = KnownHostsFile(folder.file("known"))
    #expect(throws: KeyError.self) { try file.read() }
    #expect(throws: KeyError.self) { try file.add(Self.first, of: "a", port: 1) }
    #expect(throws: KeyError.self) { try file.forget("host", port: 7_373) }
    try check(mkfifo(folder.file("fifo"), 0o600), "mkfifo")
    #expect(throws: KeyError.self) { try KnownHostsFile(folder.file("fifo")).read() }
  }

  @Test func concurrentWritersLoseNoLine() async throws {
    let folder = try KeyFolder()
    let file = KnownHostsFile(folder.file("known"))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 1...20 {
        group.addTask { try file.add(Self.first, of: "host\(number)", port: 7_373) }
        group.addTask { _ = try file.forget("nothing\(number)", port: 7_373) }
        group.addTask {
          try file.add(Self.second, of: "gone\(number)", port: 7_373)
          _ = try file.forget("gone\(number)", port: 7_373)
        }
      }
      try await group.waitForAll()
    }
    let hosts = try file.read()
    #expect(Set(hosts.entries.map(\.names)) == Set((1...20).map { "[host\($0)]:7373" }))
    #expect(hosts.unreadable.isEmpty)
  }
}
