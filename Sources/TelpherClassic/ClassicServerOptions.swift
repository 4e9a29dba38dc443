package import TelpherTransport

/// The options of a `ClassicServer`.
package struct ClassicServerOptions: Sendable {
  /// The folder for uploaded files.
  package var root: String?
  /// Whether an uploaded file may replace an existing one, and may have a name that begins with a
  /// dot. Shells and other programs run such files.
  package var overwrites = false
  /// The text that `reply` answers with.
  package var text: String?
  /// How long `size` waits for an acknowledgement, or `raw` holds the output of a running command,
  /// in nanoseconds. Nil for the default of `ClassicLimits`.
  package var pause: UInt64?
  /// The encoding of the text that clients receive, a name from `iconv -l`. Nil for UTF-8.
  package var encoding: String?
  /// Whether `raw` on streams takes each line as a command. Otherwise each read is a command.
  package var readsLines = false
  /// The environment of the commands.
  package var environment: [SystemString: SystemString] = [:]
  /// The limits on what clients can use.
  package var limits = ClassicLimits()

  /// Creates the defaults: no folder, UTF-8, an empty environment.
  package init() {}
}
