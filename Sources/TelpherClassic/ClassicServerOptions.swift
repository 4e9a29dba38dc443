/// How a dialect is served.
public struct ClassicServerOptions: Sendable {
  /// The folder that uploaded files go to.
  public var root: String?
  /// Whether an uploaded file may replace one that is there, and may have a name that begins with a
  /// dot: shells and other programs read and run such files.
  public var overwrites = false
  /// The text that `reply` answers with.
  public var text: String?
  /// How long `size` waits for an acknowledgement, or `raw` holds the output of a command that goes
  /// on, in nanoseconds; nil for the limits' own.
  public var pause: UInt64?
  /// The encoding of the text that clients get, by its name in `iconv -l`; nil for UTF-8.
  public var encoding: String?
  /// Whether each line is a command, for `raw` on streams; else what one read brings is one.
  public var readsLines = false
  /// The environment of the commands.
  public var environment: [String: String] = [:]
  /// What clients can't exceed.
  public var limits = ClassicLimits()

  /// The defaults: no folder, UTF-8, an empty environment.
  public init() {}
}
