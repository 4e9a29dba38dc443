import Glibc
import Testing

@testable import TelpherAccess

/// A temporary folder for one test.
final class SecretFolder: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/telpher-secret-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit {
    for name in ["token", "other", "link", "sub/deep/token"] { unlink("\(path)/\(name)") }
    for name in ["sub/deep", "sub", ""] { rmdir("\(path)/\(name)") }
  }

  func write(_ text: String, to name: String, mode: mode_t = 0o600) throws {
    let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    try #require(file >= 0)
    defer { close(file) }
    let bytes = Array(text.utf8)
    #expect(Glibc.write(file, bytes, bytes.count) == bytes.count)
    fchmod(file, mode)
  }
}

struct SecretFileTests {
  private let folder: SecretFolder
  private var file: SecretFile { SecretFile(folder.path + "/token") }

  init() throws { folder = try SecretFolder() }

  private func refusal(_ file: SecretFile) -> String? {
    do throws(SecretFile.Failure) {
      _ = try file.read()
      return nil
    } catch {
      return error.description
    }
  }

  @Test func readsAFileOfItsOwner() throws {
    try folder.write("secret", to: "token")
    #expect(try file.read() == Array("secret".utf8))
  }

  @Test(arguments: [0o640, 0o604, 0o620, 0o610, 0o666] as [mode_t])
  func aFileThatOtherUsersCanAccessIsRefused(_ mode: mode_t) throws {
    try folder.write("secret", to: "token", mode: mode)
    #expect(refusal(file)?.contains("chmod 600") == true)
  }

  @Test(.enabled(if: geteuid() == 0, "only root may give files away"))
  func aFileOfAnotherUserIsRefused() throws {
    try folder.write("secret", to: "token")
    #expect(chown(folder.path + "/token", 12_345, 12_345) == 0)
    #expect(refusal(file)?.contains("belongs to user 12345") == true)
  }

  @Test func aFIFOIsRefusedAtOnce() throws {
    #expect(mkfifo(folder.path + "/token", 0o600) == 0)
    #expect(refusal(file)?.contains("not a regular file") == true)
  }

  @Test func aFolderIsRefused() throws {
    #expect(refusal(SecretFile(folder.path))?.contains("not a regular file") == true)
  }

  @Test func aLinkIsNotFollowed() throws {
    try folder.write("secret", to: "other")
    symlink("other", folder.path + "/link")
    #expect(refusal(SecretFile(folder.path + "/link"))?.contains("symbolic link") == true)
  }

  @Test func aFileThatIsTooLongIsRefused() throws {
    try folder.write(String(repeating: "x", count: SecretFile.maxLength), to: "token")
    #expect(refusal(file) == nil)
    try folder.write(String(repeating: "x", count: SecretFile.maxLength + 1), to: "token")
    #expect(refusal(file)?.contains("longer than") == true)
  }

  @Test func aNewFileIsPrivateToItsOwner() throws {
    let deep = SecretFile(folder.path + "/sub/deep/token")
    let old = umask(0)
    defer { umask(old) }
    #expect(try deep.create([1, 2]))
    #expect(try deep.read() == [1, 2])
    var status = stat()
    lstat(deep.path, &status)
    #expect(status.st_mode & 0o7777 == 0o600)
    lstat(folder.path + "/sub", &status)
    #expect(status.st_mode & 0o7777 == 0o700)
  }

  @Test func createDoesNotOverwriteAnExistingFile() throws {
    #expect(try file.create([1]))
    #expect(try !file.create([2]))
    #expect(try file.read() == [1])
    symlink("nowhere", folder.path + "/link")
    #expect(try !SecretFile(folder.path + "/link").create([1]))
  }

  @Test func replaceChangesOnlyASecretFile() throws {
    mkfifo(file.path, 0o600)
    #expect(throws: SecretFile.Failure.self) { try file.replace([1]) }
    var status = stat()
    lstat(file.path, &status)
    #expect(status.st_mode & S_IFMT == S_IFIFO)
  }

  @Test func replaceChangesTheWholeFileAndItsVersion() throws {
    #expect(try file.create([1]))
    let version = try file.version()
    #expect(try file.version() == version)
    try file.replace([2])
    #expect(try file.read() == [2])
    #expect(try file.version() != version)
  }
}
