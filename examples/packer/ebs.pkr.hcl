# Bakes an image: launches an instance of another image, changes it over SSH,
# and makes an image of it, with a second volume, replacing the one that an
# earlier bake left.
#
#   eval "$(origami env)"
#   packer build -var source_ami_name=debian-12 examples/packer/ebs.pkr.hcl
#
# Packer since 1.7 wants the plugin installed first:
#   packer plugins install github.com/hashicorp/amazon

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
  default = "baked"
}

variable "instance_type" {
  type    = string
  default = "t3.small"
}

variable "share_with" {
  type        = list(string)
  description = "Accounts that may launch the image and copy its disks."
  default     = []
}

variable "ssh_port" {
  type        = number
  description = "2222 if Origami does not run as root."
  default     = 22
}

source "amazon-ebs" "bake" {
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
  run_volume_tags = {
    Name = "packer volume"
  }
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 4
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
  launch_block_device_mappings {
    device_name           = "/dev/sdf"
    volume_size           = 1
    volume_type           = "gp2"
    delete_on_termination = true
  }

  communicator  = "ssh"
  ssh_username  = "admin"
  ssh_interface = "public_ip"
  ssh_port      = var.ssh_port
  ssh_timeout   = "15m"

  ami_name              = var.ami_name
  ami_description       = "${var.source_ami_name}, and what the provisioner did"
  ami_users             = var.share_with
  snapshot_users        = var.share_with
  force_deregister      = true
  force_delete_snapshot = true
  tags = {
    Name    = var.ami_name
    Release = "1"
  }
  snapshot_tags = {
    Name = "disk of ${var.ami_name}"
  }
}

build {
  sources = ["source.amazon-ebs.bake"]

  provisioner "shell" {
    inline = [
      "echo 'baked by Packer' > baked.txt",
      "sync",
    ]
  }
}
