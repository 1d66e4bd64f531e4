# Runs in the cluster's network namespace and a mount namespace of its own: hides the folders where
# the components leave something under paths that no flag changes, and becomes the first of them.
# The others join it there, so that no mount is seen outside or outlives them.
# Arguments: the program with its arguments.

# As on an ordinary machine: the kubelet's mounts reach the containers.
mount --make-rshared /
for folder in /run /var/lib /var/log; do
  mount -t tmpfs -o mode=755 tmpfs "$folder"
done

# The kubelet sets these for the whole kernel and never puts them back, so it gets files of its own
# with the values that it wants (pkg/kubelet/cm, setupKernelTunables). They are no settings of any
# namespace: what it writes would stay after the cluster.
mkdir /run/kernel
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  name=${setting%=*}
  file=/run/kernel/${name##*/}
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/$name"
done

exec "$@"
