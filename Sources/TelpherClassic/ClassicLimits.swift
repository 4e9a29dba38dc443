/// The limits on everything that a peer controls. Times are in nanoseconds, sizes in bytes.
package struct ClassicLimits: Sendable {
  /// The longest command, or line of `raw --line`. A larger read is refused. The tutorials read
  /// 1,024 bytes.
  package var commandBytes = 16 * 1024
  /// The bytes that a server reads ahead while it still answers earlier ones. At this limit it
  /// stops reading from the client.
  package var aheadBytes = 64 * 1024
  /// Clients of a server at once. At this limit a new client replaces the oldest one that never
  /// sent anything; without such a client it is refused. It is ten times the 100 clients of a large
  /// class. Each client has a descriptor; the program raises its limit of them (RLIMIT_NOFILE).
  package var clients = 1_000
  /// Commands of a server that run at once, each a process. Each client runs one at a time; further
  /// commands wait.
  package var commands = 64
  /// Commands that wait to run. It is far above `clients`, so that only datagrams reach it. A
  /// command past it is dropped: its client is disconnected, or its datagram is ignored.
  package var waitingCommands = 4_096
  /// How long a server holds the first bytes of a client that may be the beginning of another
  /// protocol (`FirstBytes`). The pieces of one request arrive closer together than this.
  package var firstBytes: UInt64 = 500_000_000
  /// How much output of a running command `raw` holds in order to send it in one piece. It is far
  /// more than one recv of a tutorial's client takes: a longer answer sticks to the next one
  /// anyway.
  package var heldBytes = 64 * 1024
  /// How long `raw` holds the output of a running command. The tutorials' commands, such as `dir`
  /// and `ping -c 4`, end within this time, and a person who watches a log does not want to wait
  /// longer.
  package var heldOutput: UInt64 = 5_000_000_000
  /// The same, after the first piece of such an answer was sent. It is long enough to join lines
  /// that a program writes one by one.
  package var heldRest: UInt64 = 100_000_000
  /// How long the server of `size` waits for an acknowledgement before it sends the answer without
  /// one. The tutorials' servers that need no acknowledgement sleep for about this long.
  package var acknowledgement: UInt64 = 1_000_000_000
  /// The same for a client that has acknowledged, but only after an answer. It is longer, because
  /// such a client may acknowledge before the next answer, which must not stick to the size.
  package var lateAcknowledgement: UInt64 = 2_000_000_000
  /// How long the server of `size` waits for a second message if the first may be an
  /// acknowledgement. A client that has sent a command waits for the size and sends nothing more.
  package var secondMessage: UInt64 = 200_000_000
  /// How much of each output of a command is kept in memory until its length is known. The rest
  /// goes to an unnamed temporary file in $TMPDIR or /tmp.
  package var keptInMemory = 1 << 20
  /// The longest answer that is collected before it is sent. It is more than 4 bytes can announce,
  /// and far less than would fill a disk.
  package var collectedBytes: Int64 = 4 << 30
  /// The longest answer that 4 bytes can announce as a signed integer.
  package var announcedBytes = Int64(Int32.max)
  /// The longest dictionary. A file's name and digest need far less.
  package var dictionaryBytes = 64 * 1024
  /// The largest file that an upload server accepts: 1 TiB.
  package var fileBytes: Int64 = 1 << 40
  /// How much received, not yet written file content a server holds. At this limit it stops reading
  /// from the client. All `clients` together hold at most 1 GiB.
  package var unwrittenBytes = 1 << 20
  /// The longest strftime(3) format. The formatted time must fit a datagram.
  package var formatBytes = 1024
  /// How long a command runs after its client has ended its sending side, until the server checks
  /// whether the client still exists. A client that disappears ends its side, and so does one that
  /// has no more to send but still reads (nc, shutdown(2)).
  package var goesOnAfterEnd: UInt64 = 2_000_000_000
  /// The time between SIGTERM and SIGKILL for the processes of a client that has disconnected.
  package var grace: UInt64 = 2_000_000_000
  /// How long a server still reads a command's output after the command's exit, if other processes
  /// hold the output open.
  package var drain: UInt64 = 500_000_000
  /// How long a command from a datagram may run: no connection ends when its client disappears.
  package var datagramCommand: UInt64 = 60_000_000_000
  /// How long a client waits for an answer in a datagram, which may be lost.
  package var datagramAnswer: UInt64 = 5_000_000_000
  /// The size of one read of a `raw` client. With further questions to ask, it takes one read as
  /// the answer, as the tutorials do with recv(1024).
  package var rawReadBytes = 1024
  /// How long the client of `size` waits for the answer before it acknowledges the size. It is
  /// longer than the sleep of the tutorials' servers that need no acknowledgement.
  package var sleepingServer: UInt64 = 2_000_000_000
  /// How soon an answer follows the acknowledgement that it waited for. After a longer time the
  /// server may have slept instead, and may run the acknowledgement as the next command.
  package var promptAnswer: UInt64 = 300_000_000
  /// How long the client of `size` waits for the answer to an acknowledgement that the server may
  /// have run as a command.
  package var strayAnswer: UInt64 = 1_000_000_000
  /// The pause between two messages that must not stick together, if the client cannot find out
  /// whether the server has read the first.
  package var betweenMessages: UInt64 = 300_000_000
  /// The longest time that a client waits for a server to read what it sent.
  package var serverReads: UInt64 = 5_000_000_000
  /// How long an uploading client waits for the server's report. The tutorials' servers send none,
  /// and one that does not close the connection either would never end the wait.
  package var uploadReport: UInt64 = 30_000_000_000
  /// How long a `raw` client waits for more of an answer. `raw` does not mark the end of an answer.
  package var silence: UInt64 = 1_000_000_000
  /// How long a `raw` client waits for the first byte of an answer. For its last answer the time
  /// starts when it has ended its sending side, after `silence` has passed.
  package var firstAnswer: UInt64 = 10_000_000_000

  /// Creates the default limits.
  package init() {}
}
