import Glibc
import Testing

@Suite(.enabled(if: ClassicStage.hasPython))
struct ClassicUploadTests {
  let stage: ClassicStage
  let root: String

  init() throws {
    stage = try ClassicStage()
    root = stage.sandbox.folder + "/root"
    mkdir(root, 0o755)
  }

  private func serve(_ options: String...) async throws -> ClassicStage.Running {
    try await stage.serve("upload", at: "tcp:127.0.0.1:0", ["--root", root] + options)
  }

  private func bytes(_ name: String) -> [UInt8]? { contents(of: "\(root)/\(name)") }

  @Test(arguments: ["size", "file"])
  func aTutorialsClientStoresSeveralFiles(_ keys: String) async throws {
    let server = try await serve()
    let large = stage.file("large.bin", bytes: 5 << 20)
    let empty = stage.file("empty", bytes: 0)
    let named = stage.file("中文 名.txt", bytes: 1_000)
    let client = try await stage.client(
      "upload", "client", server.port, keys, large.path, empty.path, named.path, large.path)
    #expect(client.status == 0, "\(client.errorText)")
    // The client exits without waiting for the server to store the files.
    try await eventually { bytes("中文 名.txt") == named.bytes }
    try await eventually { bytes("large.bin") == large.bytes }
    #expect(bytes("empty") == [])
    try await eventually { names(in: root) == ["empty", "large.bin", "中文 名.txt"] }
    #expect(mode(of: root + "/large.bin") == 0o644)
    #expect(await server.end().status == 0)
  }

  @Test func concurrentUploadsAreCompleteAlsoUnderOneName() async throws {
    let server = try await serve("--overwrite")
    try await withThrowingTaskGroup { group in
      for number in 0..<10 {
        let same = stage.sandbox.folder + "/\(number)"
        mkdir(same, 0o755)
        let own = stage.file("\(number)/own-\(number)", bytes: 100_000 + number)
        let shared = stage.file("\(number)/shared", bytes: 200_000 + number)
        group.addTask {
          let sent = try await stage.sandbox.telpher(
            "classic", "upload", "--on", server.address, own.path, shared.path)
          #expect(sent.status == 0, "\(sent.errorText)")
          #expect(bytes("own-\(number)") == own.bytes)
        }
      }
      try await group.waitForAll()
    }
    let count = try #require(bytes("shared")?.count)
    #expect((200_000..<200_010).contains(count))
    #expect(names(in: root).count == 11)
  }

  @Test(arguments: [
    ("../../escape", "escape"), ("/etc/passwd", "passwd"), (#"C:\Users\me\a.txt"#, "a.txt"),
    ("a/../b", "b"),
  ])
  func onlyTheLastPartOfANameIsUsed(_ name: String, _ stored: String) async throws {
    let server = try await serve()
    let client = try await stage.client(
      "upload", "as", server.port, name, "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(client.text == "stored \(stored)\n")
    #expect(names(in: root) == [stored])
    #expect(bytes(stored) == Array("hello".utf8))
  }

  @Test(arguments: [
    "", ".", "..", "a/", "x/..", ".telpher.0123456789abcdef0123456789abcdef.0.partial",
  ])
  func invalidNamesAreRefused(_ name: String) async throws {
    let server = try await serve()
    let client = try await stage.client(
      "upload", "as", server.port, name, "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(client.text.hasPrefix("failed "), "\(client.text)")
    #expect(names(in: root).isEmpty)
  }

  @Test(arguments: [".bashrc", "x/.profile", "..a", ".ssh"])
  func aNameThatBeginsWithADotIsRefused(_ name: String) async throws {
    let server = try await serve()
    let client = try await stage.client(
      "upload", "as", server.port, name, "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(client.text.hasPrefix("failed "), "\(client.text)")
    #expect(client.text.contains("--overwrite"))
    #expect(names(in: root).isEmpty)
    let other = try await serve("--overwrite")
    let stored = try await stage.client(
      "upload", "as", other.port, name, "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(stored.text.hasPrefix("stored "), "\(stored.text)")
  }

  @Test func existingFilesAreKeptAndOneOfManyUploadsWins() async throws {
    let server = try await serve()
    stage.sandbox.write("old", to: root + "/a")
    symlink("/no/such/file", root + "/link")
    for name in ["a", "link"] {
      let client = try await stage.client(
        "upload", "as", server.port, name, "5d41402abc4b2a76b9719d911017c592", "hello")
      #expect(
        client.text.hasPrefix("failed \"\(name)\": a file of that name exists"), "\(client.text)")
    }
    #expect(bytes("a") == Array("old".utf8))
    let texts = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<10 {
        group.addTask {
          try await stage.client(
            "upload", "as", server.port, "new", "5d41402abc4b2a76b9719d911017c592", "hello"
          ).text
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(texts.filter { $0 == "stored new\n" }.count == 1)
    #expect(texts.filter { $0.hasPrefix("failed \"new\": a file of that name exists") }.count == 9)
    #expect(names(in: root) == ["a", "link", "new"])
  }

  @Test func aFIFOIsNotReplaced() async throws {
    let server = try await serve("--overwrite")
    mkfifo(root + "/pipe", 0o600)
    let client = try await stage.client(
      "upload", "as", server.port, "pipe", "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(client.text.hasPrefix("failed \"pipe\": a FIFO has that name"), "\(client.text)")
    var status = stat()
    lstat(root + "/pipe", &status)
    #expect(status.st_mode & S_IFMT == S_IFIFO)
  }

  @Test func aLinkIsReplacedAndNotFollowed() async throws {
    let server = try await serve("--overwrite")
    let outside = stage.file("outside", bytes: 10)
    symlink(outside.path, root + "/link")
    let client = try await stage.client(
      "upload", "as", server.port, "link", "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(client.text == "stored link\n")
    #expect(contents(of: outside.path) == outside.bytes)
    #expect(bytes("link") == Array("hello".utf8))
  }

  @Test func aPlaceholderIsNotCheckedAsADigest() async throws {
    let server = try await serve()
    let client = try await stage.client("upload", "as", server.port, "a", "xxxdxxxx", "hello")
    #expect(client.text == "stored a\n")
  }

  @Test func aUnixSocketHasMode600() async throws {
    let path = stage.sandbox.folder + "/upload.sock"
    let server = try await stage.serve("upload", at: "unix:\(path)", "--root", root)
    #expect(mode(of: path) == 0o600)
    let file = stage.file("a", bytes: 10)
    let sent = try await stage.sandbox.telpher(
      "classic", "upload", "--on", server.address, file.path)
    #expect(sent.status == 0 && bytes("a") == file.bytes)
  }

  @Test func aWrongDigestKeepsTheOldFile() async throws {
    let server = try await serve("--overwrite")
    stage.sandbox.write("old", to: root + "/a")
    let wrong = String(repeating: "0", count: 32)
    let client = try await stage.client("upload", "as", server.port, "a", wrong, "hello")
    #expect(client.text.hasPrefix("failed \"a\": the received bytes have the md5 5d41402a"))
    #expect(bytes("a") == Array("old".utf8))
    #expect(names(in: root) == ["a"])
  }

  @Test(arguments: ["10000000000", "1000000000000"])
  func aLostUploadOfALargeFileLeavesNothing(_ size: String) async throws {
    let server = try await serve()
    let client = try stage.python("upload", ["part", server.port, "big", size, "the beginning"])
    #expect(await client.line() == "sent")
    try await eventually { names(in: root).count == 1 }
    let other = try await stage.client(
      "upload", "as", server.port, "other", "5d41402abc4b2a76b9719d911017c592", "hello")
    #expect(other.text == "stored other\n")
    client.signal(SIGKILL)
    try await eventually { names(in: root) == ["other"] }
    #expect(await server.end().status == 0)
  }

  @Test func endingTheServerRemovesPartialFiles() async throws {
    let server = try await serve()
    let client = try stage.python("upload", ["part", server.port, "big", "1000000", "begun"])
    #expect(await client.line() == "sent")
    try await eventually { names(in: root).count == 1 }
    #expect(await server.end().status == 0)
    #expect(names(in: root).isEmpty)
    client.signal(SIGKILL)
  }

  @Test func filesOfMoreThanATebibyteAreRefused() async throws {
    let server = try await serve()
    let client = try stage.python(
      "upload", ["part", server.port, "big", "\((1 << 40) + 1)", "the beginning"])
    #expect(await client.line() == "sent")
    client.signal(SIGKILL)
    #expect(names(in: root).isEmpty)
  }

  // MARK: The client

  @Test(arguments: ["size", "file"])
  func aTutorialsServerStoresTheFiles(_ keys: String) async throws {
    let server = try await stage.pythonServer("upload", "server", root, keys)
    let large = stage.file("large.bin", bytes: 5 << 20)
    let named = stage.file("中文.txt", bytes: 1_000)
    let sent = try await stage.sandbox.telpher(
      "classic", "upload", "--on", server.address, large.path, named.path)
    #expect(sent.status == 0, "\(sent.errorText)")
    #expect(sent.text == "sent \(large.path), 5242880 bytes\nsent \(named.path), 1000 bytes\n")
    #expect(await server.server.line() == "stored large.bin")
    #expect(await server.server.line() == "stored 中文.txt")
    #expect(bytes("large.bin") == large.bytes)
    #expect(bytes("中文.txt") == named.bytes)
  }

  @Test(arguments: ["size", "file"])
  func aServerThatReadsPastAFilesEndGetsCompleteFiles(_ keys: String) async throws {
    let server = try await stage.pythonServer("upload", "greedy", root, keys)
    let files = (0..<8).map { stage.file("small-\($0)", bytes: 100 + $0) }
    let sent = await
      (try stage.sandbox.start(
        ["classic", "upload", "--on", server.address] + files.map(\.path))).finish()
    #expect(sent.status == 0, "\(sent.errorText)")
    for (number, file) in files.enumerated() {
      #expect(await server.server.line() == "stored small-\(number)")
      #expect(bytes("small-\(number)") == file.bytes)
    }
  }

  @Test func filesArePickedByNumber() async throws {
    let server = try await serve()
    let folder = stage.sandbox.folder + "/mine"
    mkdir(folder, 0o755)
    mkdir(folder + "/sub", 0o755)
    let (b, a) = (stage.file("mine/b", bytes: 20), stage.file("mine/a", bytes: 10))
    _ = stage.file("mine/.hidden", bytes: 1)
    let sent = try await stage.sandbox.telpher(
      "classic", "upload", "--on", server.address, "--dir", folder, input: "2\n\n3\nx\n1\nquit\n")
    let list = "1  a  10 bytes\n2  b  20 bytes\n"
    #expect(
      sent.text == list + "sent \(b.path), 20 bytes\n" + list + "sent \(a.path), 10 bytes\n" + list
        + "stored b\nstored a\n")
    #expect(sent.errorText.contains("no file 3") && sent.errorText.contains("no file x"))
    #expect(sent.status == 0)
    #expect(bytes("a") == a.bytes && bytes("b") == b.bytes)
  }

  @Test func filesThatAreNotStoredAreReported() async throws {
    let server = try await serve()
    mkdir(root + "/a", 0o755)
    let file = stage.file("a", bytes: 10)
    let sent = try await stage.sandbox.telpher(
      "classic", "upload", "--on", server.address, file.path)
    #expect(sent.status == 125)
    #expect(sent.text.contains("failed \"a\": "))
    let missing = try await stage.sandbox.telpher(
      "classic", "upload", "--on", server.address, "/no/such/file")
    #expect(missing.status == 125)
    #expect(missing.errorText.contains("/no/such/file"))
  }

  @Test func anUploadServerNeedsAFolder() async throws {
    for arguments in [[], ["--root", "/no/such/folder"]] {
      let server = try stage.sandbox.start(
        ["classic", "serve", "upload", "--listen", "tcp:127.0.0.1:0", "--i-know"] + arguments)
      let ended = await server.finish()
      #expect(ended.status == 125)
      #expect(ended.errorText.contains("folder") || ended.errorText.contains("/no/such/folder"))
    }
  }
}

/// The bytes of a file, or nil.
private func contents(of path: String) -> [UInt8]? {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 20)
  while true {
    let count = read(file, &buffer, buffer.count)
    guard count > 0 else { return bytes }
    bytes += buffer[..<count]
  }
}

/// The names in a folder, sorted.
private func names(in folder: String) -> [String] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// Waits until `condition` holds. Another process makes it true, and the system has no event for
/// it.
private func eventually(_ condition: () -> Bool) async throws {
  for _ in 0..<6_000 {
    if condition() { return }
    try await Task.sleep(for: .milliseconds(10))
  }
  throw Failed("the condition never became true")
}
