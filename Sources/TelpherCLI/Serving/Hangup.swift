internal import Glibc
internal import Logging
internal import TelpherServer
internal import TelpherTransport

/// What a server does at SIGHUP: it opens its audit file again, so that the file can be rotated, and
/// reads the client certificates again.
struct Hangup: Sendable {
  /// The certificates; nil without TLS.
  var tls: (settings: ServedTLS, opened: ServedTLS.Opened)?
  var audit: AuditLog?

  /// Watches the signal from now on. Without TLS and an audit log the signal ends the server, as it
  /// ends other programs.
  func watch(on loop: any EventLoop, _ logger: Logger) {
    guard tls != nil || audit != nil else { return }
    loop.execute {
      _ = try? loop.watch(signal: SIGHUP) {
        if let tls { tls.settings.reload(tls.opened, logger) }
        do throws(AuditLog.Failure) {
          try audit?.reopen()
        } catch {
          logger.error("cannot open the audit file again", metadata: ["why": "\(error.message)"])
        }
      }
    }
  }
}
