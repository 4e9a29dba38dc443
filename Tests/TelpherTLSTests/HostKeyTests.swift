import Glibc
import TelpherAccess
import TelpherTLS
import Testing

@Suite("A host key")
struct HostKeyTests {
  @Test("is random, and prints nothing of itself")
  func random() {
    let (first, second) = (HostKey.random(), HostKey.random())
    #expect(first.publicKey != second.publicKey)
    #expect("\(first)" == "a host key")
    #expect(Mirror(reflecting: first).children.isEmpty)
  }

  @Test("is not read from another text")
  func otherText() {
    #expect(HostKey(pem: []) == nil)
    #expect(HostKey(pem: Array("-----BEGIN PRIVATE KEY-----\n".utf8)) == nil)
  }

  @Test("is made once, in a file that only its owner can read")
  func file() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/config/telpher/host_key"
      let made = try HostKeyFile(path).readOrMake()
      #expect(try HostKeyFile(path).readOrMake().publicKey == made.publicKey)
      #expect(HostKey(pem: try SecretFile(path).read())?.publicKey == made.publicKey)
    }
  }

  @Test("is not made if its file holds something else")
  func damagedFile() throws {
    try withTemporaryFolder { folder in
      let file = SecretFile("\(folder)/host_key")
      _ = try file.create(Array("no key".utf8))
      #expect(throws: SecretFile.Failure.self) { try HostKeyFile(file.path).readOrMake() }
      #expect(try file.read() == Array("no key".utf8))
    }
  }
}

/// Calls `body` with a new folder and removes what it has left there.
private func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  var template = Array("/tmp/telpher-tls-XXXXXX".utf8CString)
  try #require(mkdtemp(&template) != nil)
  let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  defer {
    for file in ["config/telpher/host_key", "host_key"] { unlink("\(path)/\(file)") }
    for folder in ["config/telpher", "config", ""] { rmdir("\(path)/\(folder)") }
  }
  try body(path)
}
