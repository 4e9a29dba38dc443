/// To which servers a client connects, and how.
package struct NATSConfiguration: Sendable {
  /// The servers of one cluster. If one is lost, the next is tried. No other servers are used: those
  /// that a server names may not be reachable from here.
  package var servers: [NATSAddress]
  /// What the client shows.
  package var credentials: NATSCredentials
  /// How servers prove who they are, if TLS is used; nil refuses TLS.
  package var trust: NATSTrust?
  /// The client's name in the server's lists.
  package var name: String
  /// The beginning of the subjects of answers. With permissions, each user has a prefix of its own, so
  /// that it can't read the answers to others.
  package var inboxPrefix: NATSSubject
  /// How long the first pause before another attempt takes; each further one takes twice as long.
  package var firstPause = Duration.milliseconds(50)
  /// How long a pause takes at most.
  package var longestPause = Duration.seconds(4)

  /// How often the client asks whether the server still answers. After
  /// `NATSLimits.unansweredPings` questions without an answer the connection counts as lost.
  package var pingInterval = Duration.seconds(10)

  /// A configuration.
  package init(
    servers: [NATSAddress], credentials: NATSCredentials = .none, trust: NATSTrust? = nil,
    name: String = "telpher", inboxPrefix: NATSSubject = "_INBOX"
  ) {
    precondition(!servers.isEmpty, "a client has a server")
    precondition(!inboxPrefix.hasWildcards, "a prefix is one subject")
    self.servers = servers
    self.credentials = credentials
    self.trust = trust
    self.name = name
    self.inboxPrefix = inboxPrefix
  }
}

/// How a server proves who it is.
package enum NATSTrust: Sendable {
  /// By a certificate for its host, which one of these authorities (PEM) has signed.
  case authorities([UInt8])
  /// By a certificate for its host, which an authority that this system trusts has signed.
  case systemAuthorities
}
