internal import Logging
internal import TelpherText
internal import TelpherWire

/// Logs to standard error and escapes control characters, so that text from clients can't start a
/// new line or change the terminal.
struct EscapingLogHandler: LogHandler {
  private var handler: StreamLogHandler

  /// A logger with this handler.
  static func logger(level: Logger.Level) -> Logger {
    var logger = Logger(label: "telpher") { label in
      EscapingLogHandler(handler: StreamLogHandler.standardError(label: label))
    }
    logger.logLevel = level
    return logger
  }

  private init(handler: StreamLogHandler) { self.handler = handler }

  var logLevel: Logger.Level {
    get { handler.logLevel }
    set { handler.logLevel = newValue }
  }

  var metadata: Logger.Metadata {
    get { handler.metadata }
    set { handler.metadata = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { handler[metadataKey: key] }
    set { handler[metadataKey: key] = newValue }
  }

  func log(event: LogEvent) {
    var event = event
    event.message = "\(ShownText.escaped(event.message.description))"
    event.metadata = event.metadata?.mapValues { "\(ShownText.escaped("\($0)"))" }
    handler.log(event: event)
  }
}
