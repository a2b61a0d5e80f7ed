//! Where each runtime puts a container's cgroup.

/// The pod UID of the fixtures.
pub const POD_UID: &str = "6f0b2d8e-52c1-4e5a-9d3b-1a2b3c4d5e6f";
/// The container ID of the fixtures.
pub const CONTAINER_ID: &str = "4e1a9c77d0b25f3e8a6c1d94b7f02e5538c9d6a1f4b07e23951c8ad6e0f3b742";
/// The ID of an outer container, where the layout has one.
pub const OUTER_ID: &str = "b80032d64c9b4cb0950acb3f27a4b7232dac06716c4c4cf59c89e9b6edeae640";

macro_rules! layouts {
    ($( $variant:ident $help:literal $boundary:literal $($nested:literal)*; )*) => {
        /// A real layout. In the paths `{uid}` stands for the pod's UID, `{_uid}` for the same
        /// with underscores, `{hex}` for the same without dashes, `{id}` for the container's
        /// ID, `{outer}` for [`OUTER_ID`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Layout {
            $( #[doc = $help] $variant, )*
        }

        impl Layout {
            /// Every layout.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// What it is, for a person.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $( Self::$variant => $help, )* }
            }

            const fn templates(self) -> (&'static str, &'static [&'static str]) {
                match self { $( Self::$variant => ($boundary, &[$( $nested ),*]), )* }
            }
        }
    };
}

layouts! {
    SystemdContainerd "Kubernetes, systemd driver, containerd, Burstable"
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{_uid}.slice/cri-containerd-{id}.scope";
    SystemdGuaranteed "Kubernetes, systemd driver, containerd, Guaranteed: no level of its own"
        "/kubepods.slice/kubepods-pod{_uid}.slice/cri-containerd-{id}.scope";
    SystemdStaticPod "Kubernetes, systemd driver, a static pod: 32 hex digits for a UID"
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{hex}.slice/cri-containerd-{id}.scope";
    SystemdCrio "Kubernetes, systemd driver, CRI-O with crun: the processes are in a child"
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{_uid}.slice/crio-{id}.scope"
        "/container";
    SystemdDocker "Kubernetes, systemd driver, Docker by cri-dockerd"
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{_uid}.slice/docker-{id}.scope";
    CgroupfsContainerd "Kubernetes, cgroupfs driver, containerd, BestEffort"
        "/kubepods/besteffort/pod{uid}/{id}";
    CgroupfsGuaranteed "Kubernetes, cgroupfs driver, containerd, Guaranteed"
        "/kubepods/pod{uid}/{id}";
    CgroupfsStaticPod "Kubernetes, cgroupfs driver, a static pod"
        "/kubepods/burstable/pod{hex}/{id}";
    CgroupfsCrio "Kubernetes, cgroupfs driver, CRI-O"
        "/kubepods/burstable/pod{uid}/crio-{id}";
    Kind "kind: the kubelet's tree is nested"
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{_uid}.slice/cri-containerd-{id}.scope";
    KindGuaranteed "kind, Guaranteed"
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{_uid}.slice/cri-containerd-{id}.scope";
    KindCgroupfs "kind of old with the cgroupfs driver"
        "/kubelet/kubepods/burstable/pod{uid}/{id}";
    ContainerdColons "containerd whose runc lacks the systemd driver that the kubelet has"
        "/system.slice/containerd.service/kubepods-burstable-pod{_uid}.slice:cri-containerd:{id}";
    SystemInContainer "A container that runs systemd: its own tree belongs to it"
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{_uid}.slice/cri-containerd-{id}.scope"
        "/init.scope" "/system.slice/nginx.service";
    DockerSystemd "Docker, systemd driver"
        "/system.slice/docker-{id}.scope";
    DockerCgroupfs "Docker, cgroupfs driver"
        "/docker/{id}";
    DockerRootless "Docker, rootless"
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{id}.scope";
    DockerInDocker "Docker in Docker: what runs inside belongs to the outer container"
        "/system.slice/docker-{id}.scope"
        "/init" "/docker/{outer}";
    Podman "Podman with crun"
        "/machine.slice/libpod-{id}.scope"
        "/container";
    PodmanRootless "Podman, rootless"
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope"
        "/container";
    PodmanPod "Podman, in a pod of its own"
        "/machine.slice/machine-libpod_pod_{outer}.slice/libpod-{id}.scope"
        "/container";
    PodmanCgroupfs "Podman, cgroupfs driver"
        "/libpod_parent/libpod-{id}";
    PodmanUnit "Podman as a systemd unit (Quadlet, --cgroups=split)"
        "/system.slice/web.service/libpod-payload-{id}";
    Nerdctl "containerd by nerdctl"
        "/system.slice/nerdctl-{id}.scope";
    Lab "The local lab, which has no runtime and no IDs"
        "/fgm-lab.slice/run-7/{uid}/app-0";
}

impl Layout {
    /// The boundary cgroup, where the limits sit.
    #[must_use]
    pub fn boundary(self, pod_uid: &str, container_id: &str) -> String {
        fill(self.templates().0, pod_uid, container_id)
    }

    /// The pod's cgroup, where the layout has pods.
    #[must_use]
    pub fn pod(self, pod_uid: &str, container_id: &str) -> Option<String> {
        let boundary = self.boundary(pod_uid, container_id);
        let (pod, _) = boundary.rsplit_once('/')?;
        let in_pod = !matches!(self, Self::ContainerdColons)
            && ["{uid}", "{_uid}", "{hex}", "libpod_pod_"]
                .iter()
                .any(|mark| self.templates().0.contains(mark));
        in_pod.then(|| pod.to_owned())
    }

    /// The cgroups inside the container, if any.
    pub fn nested(self, pod_uid: &str, container_id: &str) -> impl Iterator<Item = String> {
        let boundary = self.boundary(pod_uid, container_id);
        let (_, nested) = self.templates();
        let nested: Vec<String> = nested
            .iter()
            .map(|path| format!("{boundary}{}", fill(path, pod_uid, container_id)))
            .collect();
        nested.into_iter()
    }

    /// The cgroup that holds the first process.
    #[must_use]
    pub fn processes(self, pod_uid: &str, container_id: &str) -> String {
        self.nested(pod_uid, container_id)
            .next()
            .unwrap_or_else(|| self.boundary(pod_uid, container_id))
    }
}

fn fill(template: &str, pod_uid: &str, container_id: &str) -> String {
    template
        .replace("{uid}", pod_uid)
        .replace("{_uid}", &pod_uid.replace('-', "_"))
        .replace("{hex}", &pod_uid.replace('-', ""))
        .replace("{id}", container_id)
        .replace("{outer}", OUTER_ID)
}
