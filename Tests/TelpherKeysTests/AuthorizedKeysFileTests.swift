import Glibc
import Synchronization
import TelpherKeys
import TelpherTestSupport
import Testing

struct AuthorizedKeysFileTests {
  private let folder: KeyFolder
  private let lines = Lines()
  private let key = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32))!

  private final class Lines: Sendable {
    let text = Mutex<[String]>([])
  }

  init() throws { folder = try KeyFolder() }

  private var file: AuthorizedKeysFile {
    AuthorizedKeysFile(folder.file("keys"), home: folder.path) { [lines] line in
      lines.text.withLock { $0.append(line) }
    }
  }

  @Test func aChangeIsSeenAtOnce() throws {
    let file = file
    #expect(throws: KeyError.self) { try file.current() }
    try folder.write("keys", "\(key)\n")
    #expect(try file.current().count == 1)
    // As long as before, and within the same step of the clock.
    try folder.write("keys", String(repeating: "#", count: "\(key)".utf8.count) + "\n")
    #expect(try file.current().count == 0)
    unlink(folder.file("keys"))
    #expect(throws: KeyError.self) { try file.current() }
  }

  @Test func linesThatGrantNothingAreReportedOnce() throws {
    try folder.write("keys", "nonsense\n\(key)\n")
    let file = file
    for _ in 1...3 { #expect(try file.current().count == 1) }
    let reported = lines.text.withLock { $0 }
    #expect(reported.count == 1)
    #expect(reported.first?.contains("line 1") == true)
  }

  @Test(.enabled(if: KeyFolder.hasTools)) func aPrivateKeyIsRefusedWithoutItsText() throws {
    try folder.make("pair", ["-t", "ed25519"])
    let file = AuthorizedKeysFile(folder.file("pair"), home: folder.path) { [lines] line in
      lines.text.withLock { $0.append(line) }
    }
    #expect(
      throws: KeyError(
        "\(file.path) is a private key or a certificate: name a file of public keys (.pub)")
    ) { try file.current() }
    #expect(lines.text.withLock { $0.isEmpty })
  }

  @Test(arguments: [0o620, 0o602, 0o666] as [mode_t])
  func aFileThatOthersCanWriteIsRefused(_ mode: mode_t) throws {
    try folder.write("keys", "\(key)\n", mode: mode)
    #expect(throws: KeyError.self) { try file.current() }
    try folder.write("keys", "\(key)\n", mode: 0o644)
    #expect(try file.current().count == 1)
  }

  @Test func aFolderThatOthersCanWriteIsRefused() throws {
    try check(mkdir(folder.file("sub"), 0o755), "mkdir")
    try folder.write("sub/keys", "\(key)\n")
    let file = AuthorizedKeysFile(folder.file("sub/keys"), home: folder.path) { _ in }
    #expect(try file.current().count == 1)
    try check(chmod(folder.file("sub"), 0o775), "chmod")
    #expect(throws: KeyError.self) { try file.current() }
    try check(chmod(folder.file("sub"), 0o755), "chmod")
    try check(chmod(folder.path, 0o777), "chmod")
    #expect(throws: KeyError.self) { try file.current() }
    // A link does not hide the folder that it leads to.
    try check(chmod(folder.path, 0o700), "chmod")
    try check(chmod(folder.file("sub"), 0o777), "chmod")
    try check(symlink(folder.file("sub/keys"), folder.file("link")), "symlink")
    #expect(throws: KeyError.self) {
      try AuthorizedKeysFile(folder.file("link"), home: folder.path) { _ in }.current()
    }
  }

  @Test func foldersAboveTheHomeAreCheckedForOtherFiles() throws {
    try folder.write("keys", "\(key)\n")
    // The temporary folder, which everybody can write, is above it.
    #expect(throws: KeyError.self) {
      try AuthorizedKeysFile(folder.file("keys"), home: nil) { _ in }.current()
    }
  }

  @Test(.enabled(if: geteuid() == 0, "only root may give files away"))
  func aFileOfAnotherUserIsRefused() throws {
    try folder.write("keys", "\(key)\n")
    try check(chown(folder.file("keys"), 12_345, 12_345), "chown")
    #expect(throws: KeyError.self) { try file.current() }
  }

  @Test func otherKindsOfFilesAreRefused() throws {
    try check(mkfifo(folder.file("keys"), 0o600), "mkfifo")
    #expect(throws: KeyError.self) { try file.current() }
    unlink(folder.file("keys"))
    try check(mkdir(folder.file("keys"), 0o700), "mkdir")
    #expect(throws: KeyError.self) { try file.current() }
  }

  @Test(.enabled(if: geteuid() == 0, "only root may read the files of others"))
  func theFileOfAUserIsOpenedWithItsRights() throws {
    let nobody: UInt32 = 65_534
    try check(chmod(folder.path, 0o755), "chmod")
    for name in ["home", "home/.ssh", "private"] {
      try check(mkdir(folder.file(name), 0o755), "mkdir")
    }
    try check(chmod(folder.file("private"), 0o700), "chmod")
    for name in ["home", "home/.ssh"] {
      try check(chown(folder.file(name), nobody, nobody), "chown")
    }
    let file = AuthorizedKeysFile(ofUser: nobody, group: nobody, home: folder.file("home"))
    try folder.write("home/.ssh/authorized_keys", "\(key)\n", mode: 0o644)
    #expect(try file.current().count == 1)

    let long = "\(key)\n" + String(repeating: "#", count: AuthorizedKeysFile.maxLengthOfUser)
    try folder.write("home/.ssh/authorized_keys", long, mode: 0o644)
    let tooLong = #expect(throws: KeyError.self) { try file.current() }
    #expect("\(tooLong!)".contains("is longer than"))

    // Root could open both, and would lose the line in the pipe.
    unlink(folder.file("home/.ssh/authorized_keys"))
    try check(
      symlink(folder.file("private/pipe"), folder.file("home/.ssh/authorized_keys")), "symlink")
    try check(mkfifo(folder.file("private/pipe"), 0o600), "mkfifo")
    let pipe = #expect(throws: KeyError.self) { try file.current() }
    #expect("\(pipe!)".contains("Permission denied"))
    unlink(folder.file("private/pipe"))
    try folder.write("private/pipe", "\(key)\n")
    #expect(throws: KeyError.self) { try file.current() }
    // This thread has its rights again.
    #expect(access(folder.file("private/pipe"), R_OK) == 0)
    let own = open(folder.file("private/pipe"), O_RDONLY | O_CLOEXEC)
    #expect(own >= 0)
    close(own)
  }
}
