internal import Glibc
internal import TelpherTransport

/// A file of the user's configuration: `$XDG_CONFIG_HOME/telpher/NAME`, else
/// `~/.config/telpher/NAME`. The file `config` has hosts, and `groups` groups of hosts.
struct ConfigurationFile {
  /// The path of the file.
  let path: String

  /// The file for this environment. A relative $XDG_CONFIG_HOME is ignored, as the XDG base
  /// directory specification says.
  init(environment: [String: String], name: String = "config") {
    let folder =
      environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
      ?? "\(environment["HOME"] ?? "")/.config"
    path = "\(folder)/telpher/\(name)"
  }

  /// Reads the hosts.
  ///
  /// - Returns: no hosts if there is no file.
  /// - Throws: `Failure` if the file can't be read, could have been written by others, or has a
  ///   mistake. It decides which programs run, so only its user may write it.
  func read() throws(Failure) -> HostConfiguration {
    guard let text = try text() else { return HostConfiguration() }
    do throws(HostConfiguration.Mistake) {
      return try HostConfiguration(parsing: text)
    } catch {
      throw Failure("\(path):\(error.line): \(error.message)", kind: "bad_configuration")
    }
  }

  /// The text of the file; nil if there is none.
  ///
  /// - Throws: as `read()`, but for mistakes.
  func text() throws(Failure) -> String? {
    // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard file >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw failure("cannot be opened: \(describe(errno: errno))")
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw failure("cannot be examined: \(describe(errno: errno))")
    }
    if let fault = Self.fault(of: status) { throw failure(fault) }
    return try SmallFile.text(of: Descriptor(number: file, name: path))
  }

  /// The path of a file that this one names: from the home folder if it begins with `~/`, else from
  /// the folder of this file.
  func resolve(_ other: String, _ environment: [String: String]) -> String {
    if other.hasPrefix("~/"), let home = environment["HOME"] { return home + other.dropFirst() }
    if other.hasPrefix("/") { return other }
    return path.split(separator: "/", omittingEmptySubsequences: false)
      .dropLast().joined(separator: "/") + "/" + other
  }

  private func failure(_ what: String) -> Failure {
    Failure("the configuration \(path) \(what)", kind: "bad_configuration")
  }

  private static func fault(of status: stat) -> String? {
    if status.st_mode & S_IFMT != S_IFREG { return "is not a regular file" }
    if status.st_uid != geteuid() {
      return "belongs to user \(status.st_uid), not to you (user \(geteuid()))"
    }
    if status.st_mode & 0o022 != 0 { return "can be written by others: run chmod go-w on it" }
    return nil
  }
}
