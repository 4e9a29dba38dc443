/// A failure of a connection to a NATS server or of a request over it.
package struct NATSError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A kind of failure.
  package enum Code: Sendable, Hashable {
    /// An address or a setting can't be used.
    case badAddress
    /// No server answers, or TLS with it fails. Nothing was sent.
    case unreachable
    /// The server does not accept the credentials.
    case notAuthorized
    /// The server does not let this user publish or subscribe there.
    case notPermitted
    /// The peer violates the protocol.
    case violation
    /// The connection ended after the message was sent: whether the message has arrived is unknown.
    case disconnected
    /// Nothing was sent within the time limit, because there was no connection.
    case notSent
    /// No answer came within the time limit: whether the message has arrived is unknown.
    case timedOut
    /// No process answers requests on this subject. The message was not stored or handled.
    case noResponders
    /// The message is larger than the server or this client allows. Nothing was sent.
    case tooLarge
    /// JetStream refuses the request; `number` says why.
    case refused
    /// This connection was closed by its owner.
    case closed
    /// The task was canceled.
    case canceled
  }

  /// The kind of failure.
  package var code: Code
  /// What was attempted and what went wrong, for the user.
  package var message: String
  /// JetStream's number of the error (`err_code`); 0 if there is none.
  package var number: Int

  /// An error.
  package init(_ code: Code, _ message: String, number: Int = 0) {
    self.code = code
    self.message = message
    self.number = number
  }

  package var description: String { message }

  /// Whether a message was refused because the last message of its subject is another one than
  /// expected.
  package var isWrongLastSequence: Bool {
    code == .refused
      && (number == Number.wrongLastSequence || number == Number.wrongLastSequenceConstant)
  }

  /// Whether the request may have been carried out although it has failed here.
  package var isUncertain: Bool { code == .disconnected || code == .timedOut }
}

extension NATSError {
  /// Numbers of JetStream's errors (server/errors.json of nats-server) that decide something here.
  package enum Number {
    /// The consumer does not exist.
    package static let noConsumer = 10_014
    /// There is no such message.
    package static let noMessage = 10_037
    /// There is no message with that sequence any more.
    package static let sequenceNotFound = 10_043
    /// A message can't be removed, for example because there is none.
    package static let notDeleted = 10_057
    /// The consumer exists with other settings.
    package static let consumerExists = 10_148
    /// The stream exists with other settings.
    package static let streamExists = 10_058
    /// The stream does not exist.
    package static let noStream = 10_059
    /// The last sequence of the subject is another one than expected.
    package static let wrongLastSequence = 10_071
    /// The same, of a server that still stores another message of the subject.
    package static let wrongLastSequenceConstant = 10_164
    /// A cluster has no leader at the moment, or too few servers for a new stream.
    package static let temporary: Set<Int> = [
      10_004, 10_005, 10_008, 10_009, 10_074, 10_076, 10_077,
    ]
  }
}
