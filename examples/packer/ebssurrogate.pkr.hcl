# Builds an image from scratch: an instance fills a second, empty volume, and
# the snapshot of that volume becomes the root of the new image.
#
#   eval "$(origami env)"
#   packer build -var source_ami_name=debian-12 examples/packer/ebssurrogate.pkr.hcl
#
# The script here copies the disk that it runs from, which is the shortest one
# that ends in an image that boots. Put mmdebstrap, or an installer, in its
# place.

variable "endpoint" {
  type        = string
  description = "Where Origami serves EC2."
  default     = "http://127.0.0.1:8773"
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "source_ami_name" {
  type    = string
  default = "debian-12"
}

variable "ami_name" {
  type    = string
  default = "from-scratch"
}

variable "instance_type" {
  type    = string
  default = "t3.small"
}

variable "ssh_port" {
  type        = number
  description = "2222 if Origami does not run as root."
  default     = 22
}

variable "script" {
  type        = string
  description = "Runs in the instance and fills the volume /dev/sdf."
  default     = "set -e; root=$(findmnt -no SOURCE /); from=/dev/$(lsblk -no PKNAME $root); for d in $(lsblk -dnpo NAME); do [ $d = $from ] || to=$d; done; sync; sudo dd if=$from of=$to bs=4M conv=fsync,sparse"
}

source "amazon-ebssurrogate" "build" {
  region                 = var.region
  custom_endpoint_ec2    = var.endpoint
  skip_region_validation = true

  source_ami_filter {
    filters = {
      name                = var.source_ami_name
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["self"]
    most_recent = true
  }

  instance_type = var.instance_type
  run_tags = {
    Name = "packer builder"
  }
  launch_block_device_mappings {
    device_name           = "/dev/sdf"
    volume_size           = 3
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }

  communicator  = "ssh"
  ssh_username  = "admin"
  ssh_interface = "public_ip"
  ssh_port      = var.ssh_port
  ssh_timeout   = "15m"

  ami_name                = var.ami_name
  ami_description         = "built on a second disk"
  ami_virtualization_type = "hvm"
  ami_architecture        = "x86_64"
  ena_support             = true
  force_deregister        = true
  force_delete_snapshot   = true
  ami_root_device {
    source_device_name    = "/dev/sdf"
    device_name           = "/dev/sda1"
    volume_size           = 3
    volume_type           = "gp3"
    delete_on_termination = true
  }
  tags = {
    Name = var.ami_name
  }
}

build {
  sources = ["source.amazon-ebssurrogate.build"]

  provisioner "shell" {
    inline = [var.script]
  }
}
