internal import Glibc

/// An rsync daemon of our own on loopback, with one folder to write to.
final class RsyncDaemon: Sendable {
  private let program: Program
  private let port: UInt16

  /// Why there can be none; nil where there can.
  static var absence: String? { Tool.find("rsync") == nil ? "rsync is not installed" : nil }

  /// Starts it; `folder` is what it serves.
  ///
  /// - Throws: `Failure` where it doesn't come up.
  init(_ bench: Bench, serving folder: String) throws(Failure) {
    port = try Tool.freePort()
    let name = "rsync-\(bench.names.next())"
    let configuration = try bench.folder.write(
      """
      use chroot = no
      uid = \(geteuid())
      gid = \(getegid())
      lock file = \(bench.folder("\(name)-lock"))
      log file = \(bench.folder("\(name)-log"))
      [bench]
      path = \(folder)
      read only = no

      """, to: "\(name).conf")
    program = try Program([
      "rsync", "--daemon", "--no-detach", "--address=127.0.0.1", "--port=\(port)",
      "--config=\(configuration)",
    ])
    try Tool.waitForListener(at: port, of: "rsync")
  }

  /// Ends it.
  func stop() { program.stop() }

  /// A transfer of whole files, without looking for differences.
  func copy(_ source: String, _ destination: String) -> [String] {
    ["rsync", "-a", "-W", source, destination]
  }

  /// The address of a path in the folder.
  func address(_ path: String) -> String { "rsync://127.0.0.1:\(port)/bench/\(path)" }
}
