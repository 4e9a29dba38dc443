internal import Glibc
internal import TelpherFileStore
internal import TelpherTransport

/// A telpher that is copied to a place that lacks it: into ~/.cache/telpher/VERSION-DIGEST/ there.
package struct Installation: Sendable {
  /// The contents of the program.
  let chunks: [Chunk]
  /// The length of the program in bytes.
  package let size: Int
  /// The SHA-256 of the program, in hexadecimal.
  let digest: String
  /// Its version.
  let version: String
  /// The name of its folder in ~/.cache/telpher.
  package let name: String

  /// The folder that has everything that was copied to a place, below the user's home there.
  private static let folder = ".cache/telpher"
  /// The longest program, in bytes: a static one takes about 20 MiB, and one with debug information
  /// ten times that.
  private static let longest = 512 << 20
  /// The size of a read and of a write, in bytes.
  private static let chunkSize = 256 << 10

  /// Reads the program at `path`.
  ///
  /// - Parameter version: the version of the program.
  /// - Throws: `ClientError` (`notInstalled`) if it can't be read.
  package init(_ path: String, version: String) throws(ClientError) {
    func failure(_ why: String) -> ClientError {
      ClientError(.notInstalled, "the program to copy, \(path), \(why)")
    }
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw failure("can't be opened: \(describe(errno: errno))") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw failure("is not a regular file")
    }
    var (chunks, size, hasher): ([Chunk], Int, FileHasher) = ([], 0, FileHasher(.sha256))
    while true {
      var error: Int32 = 0
      let chunk = Chunk(capacity: Self.chunkSize) { memory in
        let count = Glibc.read(file, memory.baseAddress, memory.count)
        if count < 0 { error = errno }
        return max(0, count)
      }
      if error == EINTR { continue }
      guard error == 0 else { throw failure("can't be read: \(describe(errno: error))") }
      guard !chunk.isEmpty else { break }
      size += chunk.count
      guard size <= Self.longest else { throw failure("is longer than \(Self.longest >> 20) MiB") }
      chunk.withUnsafeBytes { hasher.update($0) }
      chunks.append(chunk)
    }
    (self.chunks, self.size, digest) = (chunks, size, hasher.digest)
    self.version = version
    // 64 bits are enough to tell versions apart; the whole digest is compared before the program
    // runs.
    name = "\(version)-\(digest.prefix(16))"
  }

  /// What the script prints when it has the program, and when it needs it. Equal lengths let the
  /// client read no byte too many: what follows is the server's.
  static let (have, want) = ("telpher-have\n", "telpher-want\n")
  /// The client's answer to `want`: the program follows, or the one on the PATH is to run.
  static let (copy, skip) = ("copy\n", "skip\n")

  /// The exit status of the script if the program can't be stored: no carrier uses it for a failure
  /// of its own.
  private static let failure = 3

  /// The command that becomes the server: the program of the PATH if it has the same version, else
  /// the copy, which is made first if it is missing. Before the client answers `copy`, it writes
  /// nothing.
  ///
  /// The script is one line without single quotes, which every login shell passes on to sh.
  var command: [String] {
    let script = """
      if [ "$(telpher --version 2>/dev/null)" = "telpher \(version)" ]; then \
      printf "telpher-have\\n"; exec telpher serve --listen stdio; fi; u=$(umask); umask 077; d="${HOME:?}/\(Self.folder)/\(name)"; f="$d/telpher"; t="$d/.telpher.$$"; \
      say() { echo "telpher: $1" >&2; }; \
      s() { sha256sum <"$1" | grep -q "^\(digest) "; }; \
      command -v sha256sum >/dev/null || { say "there is no sha256sum, which must verify the copy"; \
      exit \(Self.failure); }; \
      m=$(uname -m); [ "$m" = \(Self.machine) ] || { \
      say "the program is for \(Self.machine), and this machine is $m"; exit \(Self.failure); }; \
      if [ -f "$f" ] && s "$f"; then printf "telpher-have\\n"; else \
      printf "telpher-want\\n"; read -r a; \
      [ "$a" = copy ] || { umask "$u"; exec telpher serve --listen stdio; }; \
      mkdir -p "$d" || exit \(Self.failure); trap "rm -f \\"$t\\"" EXIT; \
      head -c \(size) >"$t" && [ "$(wc -c <"$t")" -eq \(size) ] || exit \(Self.failure); \
      s "$t" || { say "the copy is damaged"; exit \(Self.failure); }; \
      chmod 700 "$t" && mv -f "$t" "$f" || exit \(Self.failure); trap - EXIT; printf "telpher-have\\n"; fi; \
      umask "$u"; exec "$f" serve --listen stdio
      """
    return ["sh", "-c", script]
  }

  /// The command that removes every copy, and prints whether there was one.
  static var removal: [String] {
    let script = """
      d="${HOME:?}/\(Self.folder)"; \
      if [ -e "$d" ]; then rm -rf "$d" && echo removed "$d"; else echo nothing in "$d"; fi
      """
    return ["sh", "-c", script]
  }

  /// The processor of this machine, as `uname -m` prints it.
  private static var machine: String {
    var name = utsname()
    guard uname(&name) == 0 else { preconditionFailure("uname(2) fails only for a bad address") }
    return withUnsafeBytes(of: &name.machine) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
