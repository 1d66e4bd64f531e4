{{- /* What the names of all objects begin with: the release's name, and `warren` if that lacks it. */ -}}
{{- define "warren.fullname" -}}
{{- if contains "warren" .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-warren" (.Release.Name | trunc 38 | trimSuffix "-") -}}
{{- end -}}
{{- end }}

{{- /* The name of the operator's objects. */ -}}
{{- define "warren.operatorName" -}}
{{- include "warren.fullname" . -}}-operator
{{- end }}

{{- /* The name of the objects of `helm test`. */ -}}
{{- define "warren.smokeName" -}}
{{- include "warren.fullname" . -}}-smoke
{{- end }}

{{- /* The labels of every object. */ -}}
{{- define "warren.labels" -}}
app.kubernetes.io/name: warren
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The labels that the operator's pods are found by: never changed, never added to. */ -}}
{{- define "warren.selectorLabels" -}}
app.kubernetes.io/name: warren
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{- /* The annotations of the resource definition; empty without any. */ -}}
{{- define "warren.crdAnnotations" -}}
{{- $annotations := .Values.crds.annotations -}}
{{- if .Values.crds.keep -}}
{{- $annotations = merge (dict "helm.sh/resource-policy" "keep") $annotations -}}
{{- end -}}
{{- with $annotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- /* An image's name, from a dict with `root` and one of the images as `image`. */ -}}
{{- define "warren.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.global.imageRegistry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" .) $name -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- /* The names of the Secrets that images are pulled with, and commas between them. */ -}}
{{- define "warren.imagePullSecrets" -}}
{{- $names := list -}}
{{- range .Values.global.imagePullSecrets -}}
{{- if kindIs "string" . -}}
{{- $names = append $names . -}}
{{- else -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- join "," $names -}}
{{- end }}

{{- /* What every pod of this chart has: no token but a projected one, and the rules of "restricted". */ -}}
{{- define "warren.podDefaults" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "warren.imagePullSecrets" . }}
imagePullSecrets:
  {{- range splitList "," . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- /* The security context of every container: no user id, which OpenShift chooses itself. */ -}}
{{- define "warren.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- /* The mounts of every container. */ -}}
{{- define "warren.volumeMounts" -}}
- name: api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end }}

{{- /* The volumes of every pod: a token that ends within the hour, and a place for files. */ -}}
{{- define "warren.volumes" -}}
- name: api-access
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
- name: tmp
  emptyDir:
    sizeLimit: 16Mi
{{- end }}

{{- /* What the operator may do in the namespaces that it watches. Secrets are read by name alone. */ -}}
{{- define "warren.operatorRules" -}}
- apiGroups: [warren.dev]
  resources: [messagepipelines]
  verbs: [get, list, watch, patch]
- apiGroups: [warren.dev]
  resources: [messagepipelines/status, messagepipelines/finalizers]
  verbs: [patch, update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
