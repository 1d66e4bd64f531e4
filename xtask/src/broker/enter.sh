# Runs as the first process of its own mount and process namespaces: puts the broker's tree
# together and becomes RabbitMQ inside it. Arguments: tree, data, logs, configuration.
mount --rbind /dev "$1/dev"
# Inside some containers no new /proc may be mounted; that of the host serves as well.
mount -t proc proc "$1/proc" 2>/dev/null || mount --rbind /proc "$1/proc"
mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/var/lib/rabbitmq"
mount --bind "$3" "$1/var/log/rabbitmq"
mount --bind "$4" "$1/etc/rabbitmq"
exec chroot "$1" /usr/lib/rabbitmq/bin/rabbitmq-server
